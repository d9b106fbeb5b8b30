//! `traceparent`: the cases of W3C's own suite (w3c/trace-context, test/test.py), and every other input.

use proptest::prelude::*;
use routines_http::trace::{ParseTraceError, SpanId, TraceContext, TraceFlags, TraceId};

use crate::formats_hostile::{damaged, many, noise};

const TRACE: &str = "12345678901234567890123456789012";
const SPAN: &str = "1234567890123456";
const VALID: &[&str] = &[
    "00-12345678901234567890123456789012-1234567890123456-01",
    "00-abcdefabcdefabcdefabcdefabcdefab-00000000000000ff-ff",
    "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
    "fe-00000000000000000000000000000001-0000000000000001-00",
];

fn parse(text: &str) -> Result<TraceContext, ParseTraceError> {
    TraceContext::parse(text)
}

#[test]
fn what_the_suite_of_w3c_takes_is_taken() {
    for (case, header) in [
        ("sampled", format!("00-{TRACE}-{SPAN}-01")),
        ("not sampled", format!("00-{TRACE}-{SPAN}-00")),
        ("level 2: random", format!("00-{TRACE}-{SPAN}-02")),
        ("every flag, also unknown ones", format!("00-{TRACE}-{SPAN}-ff")),
        ("version cc", format!("cc-{TRACE}-{SPAN}-01")),
        ("version cc with more", format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like")),
        ("version 01 with an empty field more", format!("01-{TRACE}-{SPAN}-01-")),
        ("blank before", format!(" 00-{TRACE}-{SPAN}-01")),
        ("tab before", format!("\t00-{TRACE}-{SPAN}-01")),
        ("blank after", format!("00-{TRACE}-{SPAN}-01 ")),
        ("tab after", format!("00-{TRACE}-{SPAN}-01\t")),
        ("both around", format!("\t 00-{TRACE}-{SPAN}-01 \t")),
    ] {
        let context = parse(&header).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!((context.trace_id.to_string(), context.span_id.to_string()), (TRACE.into(), SPAN.into()), "{case}");
    }
}

#[test]
fn what_the_suite_of_w3c_refuses_is_refused() {
    use ParseTraceError::*;
    for (case, header, error) in [
        ("version 00 with a point more", format!("00-{TRACE}-{SPAN}-01."), Length),
        ("version 00 with more", format!("00-{TRACE}-{SPAN}-01-what-the-future-will-be-like"), Length),
        ("version cc, more after a point", format!("cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like"), Separator),
        ("version ff", format!("ff-{TRACE}-{SPAN}-01"), Version),
        ("version .0", format!(".0-{TRACE}-{SPAN}-01"), Version),
        ("version 0.", format!("0.-{TRACE}-{SPAN}-01"), Version),
        ("version CC", format!("CC-{TRACE}-{SPAN}-01"), Version),
        ("version of three digits", format!("000-{TRACE}-{SPAN}-01"), Length),
        ("version of four digits", format!("0000-{TRACE}-{SPAN}-01"), Length),
        ("future version of three digits", format!("010-{TRACE}-{SPAN}-01"), Separator),
        ("version of one digit", format!("0-{TRACE}-{SPAN}-01"), Length),
        ("trace id zero", format!("00-{}-{SPAN}-01", "0".repeat(32)), TraceId),
        ("trace id with a point first", format!("00-.{}-{SPAN}-01", &TRACE[1..]), TraceId),
        ("trace id with a point last", format!("00-{}.-{SPAN}-01", &TRACE[1..]), TraceId),
        ("trace id in upper case", format!("00-{}-{SPAN}-01", "A".repeat(32)), TraceId),
        ("trace id with a sign", format!("00-+{}-{SPAN}-01", &TRACE[1..]), TraceId),
        ("trace id too long", format!("00-{TRACE}3-{SPAN}-01"), Length),
        ("trace id too short", format!("00-{}-{SPAN}-01", &TRACE[1..]), Length),
        ("span id zero", format!("00-{TRACE}-{}-01", "0".repeat(16)), SpanId),
        ("span id with a point first", format!("00-{TRACE}-.{}-01", &SPAN[1..]), SpanId),
        ("span id with a point last", format!("00-{TRACE}-{}.-01", &SPAN[1..]), SpanId),
        ("span id in upper case", format!("00-{TRACE}-{}-01", "F".repeat(16)), SpanId),
        ("span id too long", format!("00-{TRACE}-{SPAN}7-01"), Length),
        ("span id too short", format!("00-{TRACE}-{}-01", &SPAN[1..]), Length),
        ("flags .0", format!("00-{TRACE}-{SPAN}-.0"), Flags),
        ("flags 0.", format!("00-{TRACE}-{SPAN}-0."), Flags),
        ("flags in upper case", format!("00-{TRACE}-{SPAN}-0A"), Flags),
        ("flags too long", format!("00-{TRACE}-{SPAN}-001"), Length),
        ("flags too short", format!("00-{TRACE}-{SPAN}-1"), Length),
        ("underscores", format!("00_{TRACE}_{SPAN}_01"), Separator),
        ("underscores in a future version, also after it", format!("cc_{TRACE}_{SPAN}_01_more"), Separator),
        ("one underscore", format!("00-{TRACE}_{SPAN}-01"), Separator),
        ("empty", String::new(), Length),
        ("a future version too short", format!("cc-{TRACE}-{SPAN}-0"), Length),
        ("a line break after", format!("00-{TRACE}-{SPAN}-01\n"), Length),
        ("not ascii, but long enough", "ü".repeat(28), Version),
    ] {
        assert_eq!(parse(&header), Err(error), "{case}: {header}");
    }
}

#[test]
fn two_headers_are_none_that_can_be_trusted() {
    let header = format!("00-{TRACE}-{SPAN}-01");
    let twice = [("traceparent", &header), ("TraceParent", &header)];
    assert_eq!(TraceContext::extract(&twice), Err(ParseTraceError::Repeated));
    assert_eq!(TraceContext::extract(&twice[1..]), parse(&header).map(Some), "the name in any case");
    assert_eq!(TraceContext::extract(&[("trace-parent", &header), ("trace.parent", &header)]), Ok(None));
}

#[test]
fn a_future_version_is_sent_on_as_version_00() {
    let context = parse(&format!("cc-{TRACE}-{SPAN}-03-more")).unwrap();
    assert_eq!(context.traceparent(), format!("00-{TRACE}-{SPAN}-03"));
}

#[test]
fn unknown_flags_are_not_sent_on_and_known_ones_are() {
    for bits in 0..=u8::MAX {
        let context = parse(&format!("00-{TRACE}-{SPAN}-{bits:02x}")).unwrap();
        assert_eq!(context.traceparent(), format!("00-{TRACE}-{SPAN}-{:02x}", bits & 3));
        assert_eq!((context.flags.is_sampled(), context.flags.is_random()), (bits & 1 != 0, bits & 2 != 0));
    }
}

#[test]
fn a_child_keeps_all_but_the_span_id() {
    let state = routines_http::trace_state::TraceState::parse(["a=1"]).unwrap();
    for flags in ["00", "01", "02", "03"] {
        let parent = parse(&format!("00-{TRACE}-{SPAN}-{flags}")).unwrap().with_state(state.clone());
        let child = parent.child();
        assert_ne!(child.span_id, parent.span_id);
        assert_eq!(TraceContext { span_id: parent.span_id, ..child }, parent, "the random flag neither comes nor goes");
    }
}

#[test]
fn roots_differ_and_say_that_they_are_random() {
    let (one, other) = (TraceContext::new_root(), TraceContext::new_root());
    assert_ne!(one.trace_id, other.trace_id);
    assert_ne!(one.span_id, other.span_id);
    assert_eq!(one.flags, TraceFlags::RANDOM);
    assert!(one.state.is_empty());
}

#[test]
fn ids_are_read_as_strictly_alone_as_in_a_header() {
    for text in
        ["", "1", &"0".repeat(32), &"A".repeat(32), &"a".repeat(31), &"a".repeat(33), &format!("+{}", "1".repeat(31))]
    {
        assert!(text.parse::<TraceId>().is_err(), "{text}");
    }
    for text in ["", "1", &"0".repeat(16), &"A".repeat(16), &"a".repeat(15), &"a".repeat(17)] {
        assert!(text.parse::<SpanId>().is_err(), "{text}");
    }
}

/// The rules again, as simply as they can be put.
fn is_valid(header: &[u8]) -> bool {
    let header = String::from_utf8_lossy(header);
    let header = header.trim_matches([' ', '\t']);
    let fields: Vec<_> = header.splitn(5, '-').collect();
    let [version, trace, span, flags, ..] = fields[..] else { return false };
    let hex = |text: &str, len| text.len() == len && text.chars().all(|c| "0123456789abcdef".contains(c));
    let id = |text: &str, len| hex(text, len) && text.contains(|c| c != '0');
    hex(version, 2)
        && version != "ff"
        && id(trace, 32)
        && id(span, 16)
        && hex(flags, 2)
        && (version != "00" || fields.len() == 4)
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn a_header_is_taken_exactly_when_the_rules_say_so(header in prop_oneof![1 => noise(), 9 => damaged(VALID)]) {
        prop_assert_eq!(TraceContext::parse(&header).is_ok(), is_valid(&header), "{:?}", String::from_utf8_lossy(&header));
    }

    #[test]
    fn what_is_taken_is_sent_as_55_characters_that_mean_the_same(header in damaged(VALID)) {
        if let Ok(context) = TraceContext::parse(&header) {
            prop_assert_eq!(context.traceparent().len(), 55);
            prop_assert_eq!(TraceContext::parse(context.traceparent()), Ok(context));
        }
    }

    #[test]
    fn ids_come_back_from_their_text_and_their_bytes(trace: [u8; 16], span: [u8; 8]) {
        if let (Some(trace), Some(span)) = (TraceId::from_bytes(trace), SpanId::from_bytes(span)) {
            prop_assert_eq!(trace.to_string().parse(), Ok(trace));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            prop_assert_eq!(TraceId::from_bytes(trace.to_bytes()), Some(trace));
            prop_assert_eq!(SpanId::from_bytes(span.to_bytes()), Some(span));
        }
    }
}
