//! Carriers: every one reads and writes the same, and none can be made to carry anything hostile.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use routines_http::carrier::{BadValue, Env, Extract, Inject, Text};

use crate::formats_hostile::many;

const NAME: HeaderName = HeaderName::from_static("x-request-id");

fn values(carrier: &(impl Extract + ?Sized), name: &str) -> Vec<Vec<u8>> {
    let mut values = Vec::new();
    carrier.each(name, &mut |value| values.push(value.to_vec()));
    values
}

/// Whatever can be written and read again.
trait Both: Extract + Inject {}
impl<C: Extract + Inject> Both for C {}

/// One of every kind, each with two old values under names that differ in case from each other, where it can tell them apart.
fn every_carrier() -> Vec<(&'static str, Box<dyn Both>)> {
    let before = [("X-Request-Id", "old"), ("X-REQUEST-ID", "older"), ("host", "localhost")];
    let headers = before.map(|(name, value)| (HeaderName::try_from(name).unwrap(), HeaderValue::from_static(value)));
    let strings = before.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let bytes = before.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    vec![
        ("HeaderMap", Box::new(HeaderMap::from_iter(headers))),
        ("HashMap of texts", Box::new(HashMap::from(strings.clone()))),
        ("HashMap of bytes", Box::new(HashMap::from(bytes.clone()))),
        ("BTreeMap of texts", Box::new(BTreeMap::from(strings.clone()))),
        ("BTreeMap of bytes", Box::new(BTreeMap::from(bytes.clone()))),
        ("Vec of texts", Box::new(strings.to_vec())),
        ("Vec of bytes", Box::new(bytes.to_vec())),
    ]
}

#[test]
fn set_replaces_every_value_whatever_the_case_of_its_name() {
    for (carrier, mut headers) in every_carrier() {
        assert!(!values(&*headers, "x-request-id").is_empty(), "{carrier}");
        headers.set(&NAME, "new").unwrap();
        assert_eq!(values(&*headers, "X-Request-ID"), [b"new"], "{carrier}");
        headers.remove(&NAME);
        assert!(values(&*headers, "x-request-id").is_empty(), "{carrier}");
        headers.set(&NAME, "").unwrap();
        assert_eq!(values(&*headers, "x-request-id"), [b""], "{carrier}");
        assert_eq!(values(&*headers, "host"), [b"localhost"], "{carrier}");
    }
}

#[test]
fn a_hostile_value_is_not_set_and_nothing_old_is_left_in_its_place() {
    let too_long = "x".repeat(Text::MAX + 1);
    for (carrier, mut headers) in every_carrier() {
        for value in ["a\r\nx-admin: yes", "a\nb", "a\0b", "\u{7f}", "é", "a\tb", " a", "a ", &too_long] {
            headers.set(&NAME, "old").unwrap();
            assert!(headers.set(&NAME, value).is_err(), "{carrier} {value:?}");
            assert!(values(&*headers, "x-request-id").is_empty(), "{carrier} {value:?}");
        }
    }
}

#[test]
fn other_headers_are_left_alone() {
    let mut headers = vec![("Host".to_owned(), b"localhost".to_vec())];
    headers.set(&NAME, "new").unwrap();
    Inject::remove(&mut headers, &HeaderName::from_static("hos"));
    assert_eq!(headers, [("Host".to_owned(), b"localhost".to_vec()), ("x-request-id".to_owned(), b"new".to_vec())]);
}

#[test]
fn several_values_are_shown_in_their_order_and_as_they_are() {
    let mut headers = HeaderMap::new();
    let hostile = HeaderValue::from_bytes(b"\xff\xfe").unwrap();
    headers.append("baggage", HeaderValue::from_static("a=1"));
    headers.append("Baggage", hostile);
    assert_eq!(values(&headers, "BAGGAGE"), [b"a=1".as_slice(), b"\xff\xfe"]);

    let kafka = [("baggage", b"a=1".as_slice()), ("other", b"x"), ("BAGGAGE", b"line\r\nbreak\xff")];
    assert_eq!(values(&kafka, "Baggage"), [b"a=1".as_slice(), b"line\r\nbreak\xff"]);
    assert_eq!(values(&kafka[1..], "baggage").len(), 1);
}

#[test]
fn a_name_that_no_header_can_have_finds_nothing() {
    for name in ["", "a b", "ü", "a\r\nb", "x=y", "\0"] {
        assert!(values(&HeaderMap::from_iter([(NAME, HeaderValue::from_static("1"))]), name).is_empty());
        assert!(values(&[("x-request-id", "1")], name).is_empty());
        assert!(values(&Env, name).is_empty(), "{name:?}");
    }
}

#[test]
fn a_full_header_map_goes_without_and_does_not_panic() {
    let mut headers = HeaderMap::new();
    let full = (0..100_000)
        .find(|n| headers.try_insert(HeaderName::try_from(format!("h{n}")).unwrap(), HeaderValue::from(*n)).is_err());
    assert!(full.is_some(), "it has a limit");
    assert_eq!(headers.set(&NAME, "new"), Ok(()));
    assert!(values(&headers, "x-request-id").is_empty());
}

fn variable(command: &Command, name: &str) -> Option<Option<String>> {
    let (_, value) = command.get_envs().find(|(known, _)| *known == name)?;
    Some(value.map(|value| value.to_str().unwrap().to_owned()))
}

#[test]
fn a_child_gets_variables_in_upper_case_with_underscores() {
    let mut child = Command::new("true");
    for (name, expected) in
        [("traceparent", "TRACEPARENT"), ("x-request-id", "X_REQUEST_ID"), ("x.y~z", "X_Y_Z"), ("1st", "_1ST")]
    {
        child.set(&HeaderName::from_static(name), "a b").unwrap();
        assert_eq!(variable(&child, expected), Some(Some("a b".into())), "{name}");
    }
}

#[test]
fn what_this_process_inherited_is_withheld_from_a_child_when_it_is_removed_or_unsendable() {
    let mut child = Command::new("true");
    Inject::remove(&mut child, &HeaderName::from_static("traceparent"));
    assert_eq!(variable(&child, "TRACEPARENT"), Some(None));
    assert_eq!(child.set(&HeaderName::from_static("baggage"), "a=1\nLD_PRELOAD=x"), Err(BadValue::Character));
    assert_eq!(variable(&child, "BAGGAGE"), Some(None));
}

#[cfg(feature = "tokio")]
#[test]
fn a_child_of_tokio_gets_the_same() {
    let mut child = tokio::process::Command::new("true");
    child.set(&NAME, "7f0c").unwrap();
    Inject::remove(&mut child, &HeaderName::from_static("traceparent"));
    assert_eq!(variable(child.as_std(), "X_REQUEST_ID"), Some(Some("7f0c".into())));
    assert_eq!(variable(child.as_std(), "TRACEPARENT"), Some(None));
}

/// This binary again, as a child that runs one test.
fn child(test: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "--ignored", test]);
    child
}

#[test]
fn a_child_reads_what_its_parent_wrote() {
    let mut child = child("formats_carrier::child_reads_its_id");
    child.set(&NAME, "from-the-parent").unwrap();
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "run in a child process by `a_child_reads_what_its_parent_wrote`"]
fn child_reads_its_id() {
    assert_eq!(values(&Env, "x-request-id"), [b"from-the-parent"]);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_read_as_it_is() {
    use std::os::unix::ffi::OsStrExt;
    let mut child = child("formats_carrier::child_reads_no_text");
    child.env("BAGGAGE", std::ffi::OsStr::from_bytes(b"a=1,b=\xff"));
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[cfg(unix)]
#[test]
#[ignore = "run in a child process by `a_variable_that_is_no_text_is_read_as_it_is`"]
fn child_reads_no_text() {
    assert_eq!(values(&Env, "baggage"), [b"a=1,b=\xff"]);
    assert_eq!(routines_http::baggage::Baggage::extract(&Env).0.header(), "a=1");
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn a_value_is_carried_unchanged_or_refused(value in prop_oneof![any::<String>(), "[ -~\t\r\n]{0,40}"]) {
        let harmless = value.chars().all(|c| (' '..='~').contains(&c)) && value.trim() == value;
        prop_assert_eq!(Text::new(&value).is_ok(), harmless);
        let mut headers = HeaderMap::new();
        let mut pairs: Vec<(String, String)> = Vec::new();
        let set = (headers.set(&NAME, &value).is_ok(), pairs.set(&NAME, &value).is_ok());
        prop_assert_eq!(set, (harmless, harmless));
        let expected: Vec<Vec<u8>> = harmless.then(|| value.into_bytes()).into_iter().collect();
        prop_assert_eq!(values(&headers, "x-request-id"), expected.clone());
        prop_assert_eq!(values(&pairs, "x-request-id"), expected);
    }
}
