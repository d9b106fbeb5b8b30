//! `grpc-timeout` and milliseconds: what is read, what is refused, and that no hop gets more than is left.

use std::time::Duration;

use proptest::prelude::*;
use routines_http::timeout::{ParseTimeoutError, grpc_timeout, millis};

use crate::formats_hostile::{damaged, many, noise};

#[test]
fn grpc_timeouts_are_read_in_every_unit() {
    for (text, expected) in [
        ("1H", Duration::from_secs(3600)),
        ("2M", Duration::from_secs(120)),
        ("3S", Duration::from_secs(3)),
        ("4m", Duration::from_millis(4)),
        ("5u", Duration::from_micros(5)),
        ("6n", Duration::from_nanos(6)),
        ("00000001S", Duration::from_secs(1)),
        ("99999999H", Duration::from_secs(99_999_999 * 3600)),
        ("99999999n", Duration::from_nanos(99_999_999)),
        ("0S", Duration::ZERO),
        ("0n", Duration::ZERO),
    ] {
        assert_eq!(grpc_timeout::parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn grpc_timeouts_that_the_format_does_not_know_are_refused() {
    use ParseTimeoutError::*;
    for (text, error) in [
        ("", Digits),
        ("S", Digits),
        ("1", Unit),
        ("12", Unit),
        ("1s", Unit),
        ("1h", Unit),
        ("1 ", Unit),
        ("1S ", Unit),
        ("1ü", Unit),
        ("123456789S", TooLong),
        ("000000001S", TooLong),
        ("-1S", Digits),
        ("+1S", Digits),
        ("1.5S", Digits),
        ("1e3S", Digits),
        (" 1S", Digits),
        ("1 S", Digits),
        ("1SS", Digits),
        ("0x1S", Digits),
        ("٣S", Digits),
        ("99999999999999999999999999n", TooLong),
    ] {
        assert_eq!(grpc_timeout::parse(text), Err(error), "{text}");
    }
}

#[test]
fn grpc_timeouts_are_written_in_the_finest_unit_that_fits_rounded_down() {
    for (left, expected) in [
        (Duration::ZERO, "1n"),
        (Duration::from_nanos(1), "1n"),
        (Duration::from_nanos(99_999_999), "99999999n"),
        (Duration::from_nanos(100_000_000), "100000u"),
        (Duration::from_nanos(1_499_999_999), "1499999u"),
        (Duration::from_secs(1), "1000000u"),
        (Duration::from_micros(99_999_999), "99999999u"),
        (Duration::from_secs(100), "100000m"),
        (Duration::from_secs(100_000), "100000S"),
        (Duration::from_secs(99_999_999), "99999999S"),
        (Duration::from_secs(100_000_000), "1666666M"),
        (Duration::from_secs(100_000_000 * 60), "1666666H"),
        (Duration::MAX, "99999999H"),
    ] {
        assert_eq!(grpc_timeout::format(left), expected, "{left:?}");
    }
}

#[test]
fn milliseconds_are_a_whole_number_and_nothing_else() {
    use ParseTimeoutError::*;
    for (text, expected) in [
        ("0", Ok(Duration::ZERO)),
        ("1500", Ok(Duration::from_millis(1500))),
        ("007", Ok(Duration::from_millis(7))),
        ("999999999999999", Ok(Duration::from_millis(999_999_999_999_999))),
        ("", Err(Digits)),
        ("-1", Err(Digits)),
        ("+1", Err(Digits)),
        ("1.5", Err(Digits)),
        ("1e3", Err(Digits)),
        ("1 ", Err(Digits)),
        ("1ms", Err(Digits)),
        ("infinity", Err(Digits)),
        ("1000000000000000", Err(TooLong)),
        ("18446744073709551616", Err(TooLong)),
        ("99999999999999999999999999", Err(TooLong)),
    ] {
        assert_eq!(millis::parse(text), expected, "{text}");
    }
}

#[test]
fn milliseconds_are_written_rounded_down_but_never_as_zero() {
    for (left, expected) in [
        (Duration::ZERO, "1"),
        (Duration::from_micros(999), "1"),
        (Duration::from_micros(1_999), "1"),
        (Duration::from_micros(2_000), "2"),
        (Duration::MAX, "999999999999999"),
    ] {
        assert_eq!(millis::format(left), expected, "{left:?}");
    }
}

fn any_duration() -> impl Strategy<Value = Duration> {
    // Every order of magnitude is as likely as any other.
    (0..64_u32, any::<u64>(), any::<u64>(), 0..1_000_000_000_u32).prop_map(|(bits, secs, short, nanos)| match bits {
        0..32 => Duration::from_nanos(short >> (bits * 2)),
        _ => Duration::new(secs >> bits, nanos),
    })
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn a_hop_never_gets_more_than_is_left_and_loses_less_than_a_unit(left in any_duration()) {
        let text = grpc_timeout::format(left);
        let (digits, unit) = text.split_at(text.len() - 1);
        let sent = grpc_timeout::parse(&text).unwrap();
        prop_assert!(digits.len() <= 8 && sent <= left.max(Duration::from_nanos(1)));
        let one = grpc_timeout::parse(format!("1{unit}")).unwrap();
        prop_assert!(left < sent.saturating_add(one) || text == "99999999H");
        prop_assert_eq!(grpc_timeout::format(sent), text, "what arrived unspent is sent on unchanged");

        let sent = millis::parse(millis::format(left)).unwrap();
        prop_assert!(sent <= left.max(Duration::from_millis(1)));
        prop_assert!(left < sent + Duration::from_millis(1) || sent == Duration::from_millis(999_999_999_999_999));
    }

    #[test]
    fn a_timeout_is_read_exactly_when_the_rules_say_so(
        text in prop_oneof![1 => noise(), 4 => "[0-9+.-]{0,12}[HMSmunhs ]?".prop_map(String::into_bytes), 4 => damaged(&["1500m", "99999999H", "1"])],
    ) {
        let digits = |text: &[u8], most| (1..=most).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
        let grpc = text.split_last().is_some_and(|(unit, rest)| b"HMSmun".contains(unit) && digits(rest, 8));
        prop_assert_eq!(grpc_timeout::parse(&text).is_ok(), grpc);
        prop_assert_eq!(millis::parse(&text).is_ok(), digits(&text, 15));
    }
}
