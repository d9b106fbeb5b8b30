//! `tracestate`: the cases of W3C's own suite (w3c/trace-context, test/test.py), and every other input.

use proptest::collection::vec;
use proptest::prelude::*;
use routines_http::carrier::Text;
use routines_http::trace_state::{MAX_BYTES, MAX_MEMBERS, ParseTraceStateError, TraceState};

use crate::formats_hostile::{lines, many};

fn written(lines: &[&str]) -> Result<String, ParseTraceStateError> {
    TraceState::parse(lines).map(|state| state.header())
}

#[test]
fn what_the_suite_of_w3c_takes_is_taken_in_order() {
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (' '..='~').filter(|c| !",=".contains(*c)).collect();
    let with_system = format!("{key}@a-z0-9_-*/={value}");
    let without_system = format!("{key}={value}");
    let longest = format!("foo=1,{}=1", "z".repeat(256));
    let longest_tenant = format!("foo=1,{}@{}=1", "t".repeat(241), "v".repeat(14));
    let short_system = format!("foo=1,{}@v=1", "t".repeat(242));
    let long_system = format!("foo=1,t@{}=1", "v".repeat(15));
    let longest_value = format!("foo={}", "x".repeat(256));
    for (case, sent, expected) in [
        ("plain", &["foo=1,bar=2"][..], "foo=1,bar=2"),
        ("empty", &[""], ""),
        ("an empty header after", &["foo=1", ""], "foo=1"),
        ("an empty header before", &["", "foo=1"], "foo=1"),
        ("empty members", &["foo=1,, \t,bar=2,"], "foo=1,bar=2"),
        ("several headers", &["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        ("the same twice", &["foo=1,foo=1"], "foo=1"),
        ("a key twice: the most recent, first one", &["foo=1,foo=2"], "foo=1"),
        ("a key twice, in two headers", &["foo=1", "foo=2"], "foo=1"),
        ("keys that begin alike are different", &["foo=1,foo1=2,fo=3"], "foo=1,foo1=2,fo=3"),
        ("every character", &[&without_system], &without_system),
        ("every character, with tenant and system", &[&with_system], &with_system),
        ("white space around members", &["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        ("other white space around members", &["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3"),
        ("white space before", &["\t foo=1"], "foo=1"),
        ("white space after", &["foo=1 \t"], "foo=1"),
        ("a blank before a value", &["foo= 1"], "foo= 1"),
        ("level 2: a digit first", &["1a=1,0=2"], "1a=1,0=2"),
        (
            "level 2: at signs anywhere but first",
            &["foo@=1,foo@@bar=2,foo@bar@baz=3"],
            "foo@=1,foo@@bar=2,foo@bar@baz=3",
        ),
        ("a key of 256", &[&longest], &longest),
        ("a tenant of 241", &[&longest_tenant], &longest_tenant),
        ("a tenant of 242", &[&short_system], &short_system),
        ("a system of 15", &[&long_system], &long_system),
        ("a value of 256", &[&longest_value], &longest_value),
    ] {
        assert_eq!(written(sent).as_deref(), Ok(expected), "{case}");
    }
}

#[test]
fn what_the_suite_of_w3c_refuses_is_refused_as_a_whole() {
    use ParseTraceStateError::*;
    let too_long = format!("{}=1", "z".repeat(257));
    let too_long_value = format!("foo={}", "x".repeat(257));
    for (case, sent, error) in [
        ("a blank after a key", "foo =1", Key),
        ("upper case", "FOO=1", Key),
        ("a point", "foo.bar=1", Key),
        ("an at sign first", "@foo=1,bar=2", Key),
        ("an underscore first", "_foo=1", Key),
        ("no key", "=1", Key),
        ("a key of 257", &too_long, Key),
        ("no equal sign", "foo,bar=1", Member),
        ("two equal signs", "foo=bar=baz", Value),
        ("no value", "foo=,bar=3", Value),
        ("a value of blanks only", "foo=  ,bar=3", Value),
        ("a value of 257", &too_long_value, Value),
        ("a tab in a value", "foo=a\tb", Value),
        ("a line break in a value", "foo=a\r\nb", Value),
        ("not ascii", "foo=é", Value),
    ] {
        assert_eq!(TraceState::parse(["good=1", sent]), Err(error), "{case}");
    }
}

#[test]
fn thirty_two_members_are_taken_and_thirty_three_are_not() {
    let members: Vec<_> = (1..=33).map(|n| format!("bar{n:02}={n:02}")).collect();
    let four_headers: Vec<_> = members[..32].chunks(10).map(|chunk| chunk.join(",")).collect();
    assert_eq!(TraceState::parse(&four_headers).map(|state| state.len()), Ok(32));
    assert_eq!(TraceState::parse(&members), Err(ParseTraceStateError::TooMany));
    assert_eq!(TraceState::parse(vec!["same=1"; 33]), Err(ParseTraceStateError::TooMany), "repeated ones count, too");
}

#[test]
fn what_no_list_can_have_is_refused_unread() {
    let blanks = " ".repeat(20_000);
    assert_eq!(TraceState::parse([&blanks]), Err(ParseTraceStateError::TooLong));
    let endless = std::iter::repeat("").inspect({
        let mut seen = 0;
        move |_| {
            seen += 1;
            assert!(seen < 20_000, "stops at its limit");
        }
    });
    assert_eq!(TraceState::parse(endless), Err(ParseTraceStateError::TooLong));
}

#[test]
fn what_is_too_long_to_send_loses_its_last_long_members_first() {
    let sent: Vec<_> =
        (0..32).map(|n| format!("k{n:02}={}", "x".repeat(if n % 2 == 0 { 250 } else { 256 - n }))).collect();
    let state = TraceState::parse(&sent).unwrap();
    assert_eq!(state.header(), sent[..state.len()].join(","), "whole members, from the end");
    assert!(state.header().len() <= MAX_BYTES && state.header().len() + 256 > MAX_BYTES - 1);

    let mixed: Vec<_> = (0..32).map(|n| format!("k{n:02}={}", "x".repeat(if n < 31 { 256 } else { 100 }))).collect();
    let state = TraceState::parse(&mixed).unwrap();
    assert!(state.get("k31").is_some() && state.get("k30").is_none(), "the short one stays although it is last");
}

#[test]
fn a_changed_member_moves_to_the_front_and_pushes_the_last_one_out() {
    let mut state = TraceState::parse((0..32).map(|n| format!("k{n}={n}"))).unwrap();
    let before = state.clone();
    state.insert("new", "1").unwrap();
    assert_eq!((state.len(), state.get("k31"), state.get("k30")), (32, None, Some("30")));
    state.insert("k30", "again").unwrap();
    assert!(state.header().starts_with("k30=again,new=1,k0=0,") && state.header().ends_with(",k28=28,k29=29"));
    assert_eq!((before.len(), before.get("k31")), (32, Some("31")), "a clone is not touched");
}

#[test]
fn nothing_unwritable_can_be_inserted() {
    let mut state = TraceState::parse(["a=1"]).unwrap();
    for (key, value) in [
        ("a", "1,b=2"),
        ("a", "x=y"),
        ("a", "x\r\ny"),
        ("a", ""),
        ("a", "x "),
        ("a=b", "1"),
        ("a,b", "1"),
        ("", "1"),
        ("A", "1"),
        ("a", "ü"),
    ] {
        assert!(state.insert(key, value).is_err(), "{key:?} {value:?}");
    }
    assert_eq!(state.header(), "a=1");
}

#[test]
fn without_members_there_is_no_header() {
    let mut state = TraceState::parse([" , ,"]).unwrap();
    assert!(state.is_empty() && state == TraceState::new() && state.iter().next().is_none());
    state.insert("a", "1").unwrap();
    assert!(state.remove("a") && state.is_empty());
}

/// The rules again, as simply as they can be put.
fn oracle(lines: &[Vec<u8>]) -> Option<Vec<(String, String)>> {
    let joined = String::from_utf8(lines.join(&b',')).ok()?;
    let mut kept: Vec<(String, String)> = Vec::new();
    let members: Vec<_> = joined.split(',').map(|m| m.trim_matches([' ', '\t'])).filter(|m| !m.is_empty()).collect();
    for member in &members {
        let (key, value) = member.split_once('=')?;
        let alnum = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let key_fits =
            key.starts_with(alnum) && key.len() <= 256 && key.chars().all(|c| alnum(c) || "_-*/@".contains(c));
        let value_fits =
            (1..=256).contains(&value.len()) && value.chars().all(|c| (' '..='~').contains(&c) && c != '=');
        if !key_fits || !value_fits {
            return None;
        }
        if kept.iter().all(|(known, _)| known != key) {
            kept.push((key.into(), value.into()));
        }
    }
    (members.len() <= MAX_MEMBERS && joined.len() < MAX_MEMBERS * 514).then_some(kept)
}

const PIECES: &[&str] =
    &["a", "b", "1", "@", "=", "=", "=x", ",", ",", " ", "\t", "foo=1", "foo=2", "A", "\"", "é", "\n", "bar=x y"];
const VALID: &[&str] =
    &["foo=1,bar=2", "fw529a3039@dt=FfAAAA,rojo=00f067aa0ba902b7", "a= 1 ,\tb=2,,c=~!", "k=xxxxxxxxxxxxxxxxxxxx"];

fn inserted() -> impl Strategy<Value = (String, String)> {
    let long = |c: &'static str| (250..260_usize).prop_map(move |len| c.repeat(len));
    (prop_oneof![3 => "[a-d0-3@][a-d@]?", 1 => long("k")], prop_oneof!["[ -~]{0,8}", long("v"), long(" ")])
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn a_list_is_read_exactly_as_the_rules_say(lines in lines(PIECES, VALID)) {
        let read = TraceState::parse(&lines);
        let read = read.as_ref().ok().map(|state| state.iter().collect::<Vec<_>>());
        let expected = oracle(&lines);
        prop_assert_eq!(read, expected.as_ref().map(|list| list.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()));
    }

    #[test]
    fn what_is_sent_fits_every_carrier_and_is_read_again_as_the_same(
        lines in lines(PIECES, VALID), inserted in vec(inserted(), 0..40),
    ) {
        let mut state = TraceState::parse(&lines).unwrap_or_default();
        for (key, value) in &inserted {
            let had = state.get(key).map(str::to_owned);
            match state.insert(key, value) {
                Ok(()) => prop_assert_eq!(state.iter().next(), Some((key.as_str(), value.as_str()))),
                Err(_) => prop_assert_eq!(state.get(key), had.as_deref()),
            }
        }
        prop_assert!(state.len() <= MAX_MEMBERS && state.header().len() <= MAX_BYTES && Text::new(state.as_str()).is_ok());
        prop_assert_eq!(TraceState::parse([state.header()]), Ok(state));
    }
}
