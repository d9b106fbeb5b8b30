//! `x-request-id`: harmless wherever it is written, or not taken at all.

use proptest::prelude::*;
use routines_http::request_id::{MAX_BYTES, ParseRequestIdError, RequestId};

use crate::formats_hostile::{many, noise};

#[test]
fn ids_in_common_use_are_taken_as_they_are() {
    for id in [
        "1",
        "9b2e0b6e-7f1c-4a55-a8ad-7a9ad4c7b2f5",
        "Root=1-67891233-abcdef012345678912345678",
        "01J9Z3/abc+def==",
        "{x}|y",
    ] {
        assert_eq!(RequestId::parse(id).unwrap().as_str(), id);
    }
}

#[test]
fn whatever_would_have_to_be_escaped_somewhere_is_refused() {
    for id in
        ["two words", " a", "a\t", "a\r\nx-admin: yes", "a\"b", "a\\b", "a,b", "é", "\u{1b}[31m", "a\0b", "\u{7f}"]
    {
        assert_eq!(RequestId::parse(id), Err(ParseRequestIdError::Character), "{id:?}");
    }
    for id in [String::new(), "x".repeat(MAX_BYTES + 1), "x".repeat(5_000)] {
        assert_eq!(RequestId::parse(id), Err(ParseRequestIdError::Length));
    }
}

#[test]
fn random_ids_differ_and_are_ids() {
    let (one, other) = (RequestId::random(), RequestId::random());
    assert_ne!(one, other);
    assert_eq!(one.to_string().parse(), Ok(one));
}

#[test]
fn an_id_is_shown_without_quotes_and_as_wide_as_asked_for() {
    let id = RequestId::parse("abc").unwrap();
    assert_eq!(format!("[{id}] [{id:?}] [{id:>5}]"), "[abc] [abc] [  abc]");
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn an_id_is_taken_exactly_when_it_is_short_and_harmless(id in prop_oneof![noise(), "[!-~]{0,140}".prop_map(String::into_bytes)]) {
        let harmless = |byte: &u8| (0x21..=0x7e).contains(byte) && ![b'"', b'\\', b','].contains(byte);
        let expected = (1..=128).contains(&id.len()) && id.iter().all(harmless);
        let read = RequestId::parse(&id);
        prop_assert_eq!(read.is_ok(), expected);
        prop_assert!(read.is_err() || read.unwrap().as_str().as_bytes() == id);
    }
}
