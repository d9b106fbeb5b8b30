//! `baggage`: the cases of W3C's own suite (w3c/baggage, test/test_baggage.py), what other implementations get wrong, and every
//! other input against a second, naive reader.

use proptest::collection::vec;
use proptest::prelude::*;
use routines_http::baggage::{Baggage, BaggageError, MAX_BYTES, MAX_MEMBERS};
use routines_http::carrier::Text;

use crate::formats_hostile::{lines, many};

type Triple = (String, String, String);

fn triples(baggage: &Baggage) -> Vec<Triple> {
    baggage.iter().map(|member| (member.name.into(), member.value.into(), member.properties.into())).collect()
}

fn triple((name, value, properties): &(&str, &str, &str)) -> Triple {
    (name.to_string(), value.to_string(), properties.to_string())
}

#[test]
fn what_the_suite_of_w3c_reads_is_read_the_same() {
    let special = "%09%20%22%27%3B%3Dasdf%21%40%23%24%25%5E%26%2A%28%29";
    let decoded = "\t \"';=asdf!@#$%^&*()";
    for (sent, expected) in [
        ("SomeKey=SomeValue".to_owned(), &[("SomeKey", "SomeValue", "")][..]),
        (
            "SomeKey=SomeValue;SomeProp,SomeKey2=SomeValue2;ValueProp=PropVal".to_owned(),
            &[("SomeKey", "SomeValue", "SomeProp"), ("SomeKey2", "SomeValue2", "ValueProp=PropVal")],
        ),
        (
            "SomeKey \t = \t SomeValue \t ; \t SomeProp \t , \t SomeKey2 \t = \t SomeValue2 \t ; \t ValueProp \t = \t PropVal".to_owned(),
            &[("SomeKey", "SomeValue", "SomeProp"), ("SomeKey2", "SomeValue2", "ValueProp=PropVal")],
        ),
        ("SomeKey=SomeValue=equals".to_owned(), &[("SomeKey", "SomeValue=equals", "")]),
        (format!("SomeKey={special}"), &[("SomeKey", decoded, "")]),
        (format!("SomeKey \t = \t {special} \t "), &[("SomeKey", decoded, "")]),
        (
            "SomeKey=SomeValue;SomeProp;SomeProp=PropValue;SomeProp=AnotherPropValue".to_owned(),
            &[("SomeKey", "SomeValue", "SomeProp;SomeProp=PropValue;SomeProp=AnotherPropValue")],
        ),
        ("SomeKey=v;ValueProp%20%09%20%3D%20%09%20PropVal".to_owned(), &[("SomeKey", "v", "ValueProp%20%09%20%3D%20%09%20PropVal")]),
        ("userId =   alice".to_owned(), &[("userId", "alice", "")]),
        ("serverNode = DF%2028, isProduction = false".to_owned(), &[("serverNode", "DF 28", ""), ("isProduction", "false", "")]),
        ("userId=Am%C3%A9lie".to_owned(), &[("userId", "Amélie", "")]),
    ] {
        let read = Baggage::parse([&sent]).unwrap_or_else(|error| panic!("{sent}: {error}"));
        assert_eq!(triples(&read), expected.iter().map(triple).collect::<Vec<_>>(), "{sent}");
    }
    let written = Baggage::parse([format!("SomeKey={special}")]).unwrap().header();
    assert_eq!(written, format!("SomeKey={special}"), "as the suite expects it to be written");
}

#[test]
fn what_other_implementations_lose_is_kept() {
    for (sent, value) in [
        ("k=YWJj==", "YWJj=="),
        ("k=a=b=c", "a=b=c"),
        ("k=50%2541", "50%41"),
        ("k=S%C3%A3o+Paulo", "São+Paulo"),
        ("k=1%2B1", "1+1"),
        ("k=", ""),
        ("k=%F0%9F%8E%92", "🎒"),
        ("k=%00%0D%0A", "\0\r\n"),
        ("k=a%2Cb%3Bc", "a,b;c"),
        ("k=%e3%81%82", "あ"),
    ] {
        assert_eq!(Baggage::parse([sent]).unwrap().get("k"), Some(value), "{sent}");
    }
}

#[test]
fn escapes_that_are_no_utf8_become_the_replacement_character_and_half_escapes_stay() {
    for (sent, value) in [
        ("k=%FF", "\u{fffd}"),
        ("k=a%C3b", "a\u{fffd}b"),
        ("k=%E2%82", "\u{fffd}"),
        ("k=%ED%A0%80", "\u{fffd}\u{fffd}\u{fffd}"),
        ("k=%", "%"),
        ("k=%4", "%4"),
        ("k=%zz", "%zz"),
        ("k=100%;p", "100%"),
        ("k=%%41", "%A"),
    ] {
        let baggage = Baggage::parse([sent]).unwrap();
        assert_eq!(baggage.get("k"), Some(value), "{sent}");
        assert_eq!(Baggage::parse([baggage.header()]).unwrap(), baggage, "{sent}");
    }
}

#[test]
fn a_malformed_member_is_skipped_and_told_and_its_neighbours_stay() {
    use BaggageError::*;
    for (case, sent, error) in [
        ("no equal sign", "junk", Member),
        ("an equal sign in a property only", "junk;a=b", Member),
        ("no name", "=v", Name),
        ("a blank in a name", "a b=v", Name),
        ("a quote in a name", "a\"=v", Name),
        ("a name in brackets", "a[0]=v", Name),
        ("a name that is not ascii", "é=v", Name),
        ("a blank in a value", "k=a b", Value),
        ("a quoted value", "k=\"v\"", Value),
        ("a backslash", "k=a\\b", Value),
        ("a raw umlaut", "k=ü", Value),
        ("a line break", "k=a\r\nx-admin: yes", Value),
        ("a line break at the end", "k=a\n", Value),
        ("a zero byte", "k=a\0", Value),
        ("a delete", "k=\u{7f}", Value),
        ("a property without a key", "k=v;=w", Property),
        ("a blank in a property", "k=v;a b", Property),
        ("a blank in the value of a property", "k=v;a=b c", Property),
        ("a quoted property", "k=v;a=\"b\"", Property),
    ] {
        let (baggage, wrong) = Baggage::parse_lossy([&format!("first=1,{sent}"), "last=2"]);
        assert_eq!((baggage.header().as_str(), wrong), ("first=1,last=2", Some(error)), "{case}");
        assert_eq!(Baggage::parse([sent]), Err(error), "{case}");
    }
    assert_eq!(Baggage::parse_lossy([b"a=1,b=\xff,c=2"]).0.header(), "a=1,c=2", "bytes that are no text");
}

#[test]
fn empty_members_and_properties_are_nothing() {
    assert_eq!(Baggage::parse([" , a=1;;p; ,\t,", "", ",b=2"]).unwrap().header(), "a=1;p,b=2");
    assert!(Baggage::parse(["", " \t", ",,"]).unwrap().is_empty());
}

#[test]
fn of_members_with_one_name_the_last_counts_where_the_first_was() {
    let baggage = Baggage::parse(["a=1;p,b=2", "a=3,A=4"]).unwrap();
    assert_eq!(baggage.header(), "a=3,b=2,A=4");
}

#[test]
fn sixty_four_members_are_taken_and_of_more_the_first_sixty_four() {
    let members: Vec<_> = (0..100).map(|n| format!("key{n}=value")).collect();
    assert_eq!(Baggage::parse(&members[..64]).unwrap().header(), members[..64].join(","));
    for sent in [members.clone(), vec![members.join(",")], members.chunks(7).map(|chunk| chunk.join(", ")).collect()] {
        let (baggage, wrong) = Baggage::parse_lossy(&sent);
        assert_eq!((baggage.header(), wrong), (members[..64].join(","), Some(BaggageError::TooMany)));
    }
}

#[test]
fn eight_kilobytes_are_taken_and_of_more_the_members_that_end_within() {
    let long = format!("a={}", "0123456789".repeat(819));
    assert_eq!(long.len(), MAX_BYTES);
    assert_eq!(Baggage::parse([&long]).unwrap().header(), long);
    assert_eq!(Baggage::parse_lossy([format!("{long}b")]), (Baggage::new(), Some(BaggageError::TooLong)));

    let kilobyte = |n| format!("{n}={}", "x".repeat(1021));
    let nine: Vec<_> = (0..9).map(kilobyte).collect();
    for sent in [nine.clone(), vec![nine.join(",")]] {
        let (baggage, wrong) = Baggage::parse_lossy(&sent);
        assert_eq!(
            (baggage.header(), wrong),
            (nine[..8].join(","), Some(BaggageError::TooLong)),
            "8 * 1023 + 7 commas"
        );
    }
    let (baggage, wrong) = Baggage::parse_lossy([long[..MAX_BYTES - 4].to_owned() + ",b=1", "c=2".into()]);
    assert_eq!((baggage.len(), wrong), (2, Some(BaggageError::TooLong)), "the limit is for all headers together");
}

#[test]
fn what_grows_when_it_is_written_anew_is_cut_at_a_member_too() {
    let (baggage, wrong) = Baggage::parse_lossy([format!("a=1,b={},c=2", "+".repeat(4_000))]);
    assert_eq!((baggage.header().as_str(), wrong), ("a=1", Some(BaggageError::TooLong)), "three bytes for each plus");
}

#[test]
fn the_reader_stops_at_its_limits() {
    let mut read = 0;
    let endless = std::iter::repeat_with(|| {
        read += 1;
        assert!(read < 10_000);
        ""
    });
    assert!(Baggage::parse(endless).is_err());
}

#[test]
fn insert_keeps_the_limits_or_changes_nothing() {
    let mut baggage = Baggage::parse((0..64).map(|n| format!("k{n}=v"))).unwrap();
    let before = baggage.clone();
    assert_eq!(baggage.insert("one-more", "v"), Err(BaggageError::TooMany));
    assert_eq!(baggage.insert("k0", &"ü".repeat(1_400)), Err(BaggageError::TooLong));
    assert_eq!(baggage.insert("a,b", "v"), Err(BaggageError::Name));
    assert_eq!(baggage.insert_with_properties("k0", "v", "a,b=1"), Err(BaggageError::Property));
    assert_eq!(baggage.insert_with_properties("k0", "v", "a\r\nb"), Err(BaggageError::Property));
    assert_eq!(baggage, before);
    baggage.insert_with_properties("k63", "new", " a = 1 ; b ").unwrap();
    assert!(baggage.header().ends_with(",k62=v,k63=new;a=1;b"));
    assert!(before.header().ends_with("k63=v"), "a clone is not touched");
    baggage.insert("k63", "newer").unwrap();
    assert!(baggage.header().ends_with(",k63=newer"), "the properties were the old value's");

    let mut exact = Baggage::new();
    assert_eq!(exact.insert("a", &"x".repeat(MAX_BYTES - 1)), Err(BaggageError::TooLong));
    exact.insert("a", &"x".repeat(MAX_BYTES - 2)).unwrap();
    assert_eq!(exact.insert("b", ""), Err(BaggageError::TooLong));
    exact.insert("a", &"y".repeat(MAX_BYTES - 6)).unwrap();
    exact.insert("b", "1").unwrap();
    assert_eq!(exact.header().len(), MAX_BYTES);
}

#[test]
fn what_has_lost_its_last_member_is_empty() {
    let mut baggage = Baggage::parse(["a=1"]).unwrap();
    assert!(baggage.remove("a") && baggage.is_empty() && baggage == Baggage::new());
    baggage.retain(|_| true);
    assert_eq!(baggage.header(), "");
}

/// The rules again, as simply as they can be put: the members, and whether anything was wrong.
fn oracle(lines: &[Vec<u8>]) -> (Vec<Triple>, bool) {
    let mut joined = lines.join(&b',');
    let mut wrong = joined.len() > MAX_BYTES;
    if wrong {
        joined.truncate(joined[..=MAX_BYTES].iter().rposition(|byte| *byte == b',').unwrap_or(0));
    }
    let (mut list, mut seen): (Vec<Triple>, usize) = (Vec::new(), 0);
    for member in joined.split(|byte| *byte == b',') {
        let member = String::from_utf8_lossy(member);
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        let Some(read) = member_of(member) else {
            wrong = true;
            continue;
        };
        seen += 1;
        let mut next = list.clone();
        match next.iter_mut().find(|known| known.0 == read.0) {
            Some(known) => *known = read,
            None => next.push(read),
        }
        if seen > MAX_MEMBERS || write(&next).len() > MAX_BYTES {
            return (list, true);
        }
        list = next;
    }
    (list, wrong)
}

fn member_of(member: &str) -> Option<Triple> {
    let blank = [' ', '\t'];
    let token = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    };
    let octets = |text: &str| text.chars().all(|c| ('!'..='~').contains(&c) && !"\",;\\".contains(c));
    let mut parts = member.split(';').map(|part| part.trim_matches(blank));
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim_matches(blank), value.trim_matches(blank));
    let mut properties = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        let halves: Vec<_> = part.splitn(2, '=').map(|half| half.trim_matches(blank)).collect();
        if !token(halves[0]) || !octets(halves.get(1).unwrap_or(&"")) {
            return None;
        }
        properties.push(halves.join("="));
    }
    (token(name) && octets(value)).then(|| (name.into(), decode(value), properties.join(";")))
}

fn decode(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let escape = text.get(at + 1..at + 3).filter(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
        match escape.filter(|_| bytes[at] == b'%') {
            Some(hex) => decoded.push(u8::from_str_radix(hex, 16).unwrap()),
            None => decoded.push(bytes[at]),
        }
        at += if bytes[at] == b'%' && escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn write(list: &[Triple]) -> String {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
                    char::from(b).into()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect()
    };
    let member = |(name, value, properties): &Triple| {
        let properties = if properties.is_empty() { String::new() } else { format!(";{properties}") };
        format!("{name}={}{properties}", encode(value))
    };
    list.iter().map(member).collect::<Vec<_>>().join(",")
}

const PIECES: &[&str] = &[
    "a",
    "b",
    "k1",
    "=",
    "=",
    "=1",
    ",",
    ",",
    ";",
    ";",
    " ",
    "\t",
    "%",
    "%4",
    "%41",
    "%C3%A9",
    "%FF",
    "%zz",
    "+",
    "\"",
    "\\",
    "é",
    "\r\n",
    "a=1",
    "b=%F0%9F%98%80",
    "c=x==;p;q=1",
    "!#$%&'*+-.^_`|~",
];
const VALID: &[&str] = &[
    "userId=Am%C3%A9lie, serverNode=DF%2028;ttl=5 , isProduction=false",
    "a=1,b=2;p;q = r,c=%25%2B%3D,a=4",
    "k=YWJj==,tok=S%C3%A3o+Paulo,flag=",
    "long=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx++++++++++++++++",
];

proptest! {
    #![proptest_config(many())]

    #[test]
    fn baggage_is_read_and_written_exactly_as_the_rules_say(lines in lines(PIECES, VALID)) {
        let (baggage, wrong) = Baggage::parse_lossy(&lines);
        let (expected, expected_wrong) = oracle(&lines);
        prop_assert_eq!(triples(&baggage), expected.clone());
        prop_assert_eq!(wrong.is_some(), expected_wrong);
        prop_assert_eq!(baggage.header(), write(&expected));
        let list: Vec<_> = lines.iter().map(|line| ("Baggage", line)).collect();
        prop_assert_eq!(Baggage::extract(&list), (baggage, wrong), "from a carrier it is the same");
    }

    #[test]
    fn what_is_sent_is_within_the_limits_and_is_read_again_as_the_same(lines in lines(PIECES, VALID)) {
        let baggage = Baggage::parse_lossy(&lines).0;
        prop_assert!(baggage.len() <= MAX_MEMBERS && Text::new(&baggage.header()).is_ok());
        prop_assert_eq!(Baggage::parse([baggage.header()]), Ok(baggage));
    }

    #[test]
    fn every_text_comes_back_as_it_was(values in vec(any::<String>(), 0..70)) {
        let mut baggage = Baggage::new();
        for (at, value) in values.iter().enumerate() {
            let taken = baggage.insert(&format!("k{at}"), value).is_ok();
            prop_assert_eq!(baggage.get(&format!("k{at}")), taken.then_some(value.as_str()));
        }
        prop_assert!(baggage.len() <= MAX_MEMBERS && baggage.header().len() <= MAX_BYTES);
        prop_assert_eq!(Baggage::parse([baggage.header()]), Ok(baggage));
    }
}
