//! What comes from a server that is broken or means harm.

use std::time::Duration;

use routines::RoutineInfo;
use routines_cli::address::Address;
use routines_cli::client::Client;
use routines_cli::dump::{Format, Options, dump};
use routines_cli::query::{Query, Sort};
use routines_cli::text::{Plain, obeyed};
use routines_cli::wire::{Page, Row, read};
use serde_json::{Value, json};

use crate::support::{Server, client, model, page, press, routine, screen};

const EVIL: &str = "a\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}b\r\n\u{200b}\u{e0041}c\u{0}";

#[test]
fn no_character_a_terminal_obeys_is_left_in_text_to_show() {
    let plain = Plain::new(EVIL);
    for evil in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r', '\n', '\u{200b}', '\u{e0041}', '\0'] {
        assert!(EVIL.contains(evil) && !plain.as_str().contains(evil), "{evil:?}: {plain:?}");
    }
    assert!(plain.as_str().starts_with(r"a\u{1b}[2J"));
    assert_eq!(Plain::new("straße 日本 🦀").as_str(), "straße 日本 🦀");
}

#[test]
fn long_text_is_cut() {
    assert_eq!(Plain::new(&"x".repeat(1 << 20)).as_str().chars().count(), 1_001);
}

fn evil() -> Value {
    let mut evil = page(vec![routine(1, None, "task", Some(EVIL), json!({EVIL: EVIL, "deadline": EVIL}))]);
    evil["routines"][0]["spawned_at"] = EVIL.into();
    evil["groups"] = json!([{"count": 1, "kind": EVIL, "spawned_at": EVIL, "states": {EVIL: 1}, "oldest_ms": 1, "polls": 1,
        "values": {EVIL: {"distinct": 9, "commonest": [[EVIL, 3]]}}}]);
    evil
}

#[test]
fn hostile_names_and_values_are_shown_escaped_in_every_view() {
    for keys in ["1", "2", "3", "1⏎", "2⏎", "3⏎"] {
        let mut model = model(|_| evil());
        press(&mut model, keys, &mut |_| evil());
        let screen = screen(&mut model, 200, 24);
        assert!(!screen.replace('\n', "").contains(obeyed), "{keys}: {screen:?}");
        assert!(screen.contains(r"\u{1b}"), "{keys}: it is told that it was there: {screen}");
    }
}

#[test]
fn a_hostile_filter_of_our_own_and_a_hostile_reason_are_escaped_too() {
    let mut model = model(|_| evil());
    press(&mut model, "/a\u{9b}⏎", &mut |_| evil());
    assert!(screen(&mut model, 80, 24).contains(r"a\u{9b}"));
    let server = Server::new(|_| (403, EVIL.as_bytes().to_vec()));
    let fault = server.client().page::<Row>(&Query::default()).unwrap_err().to_string();
    assert!(!fault.contains(obeyed), "{fault:?}");
}

#[test]
fn what_is_no_page_is_refused_and_never_panics() {
    let good = page(vec![routine(1, None, "task", None, json!({"a": 1}))]).to_string();
    for bad in [
        "",
        "null",
        "[]",
        "{}",
        "<html>",
        r#"{"version":1}"#,
        r#"{"version":"1"}"#,
        r#"{"version":1,"total":-1,"matching":0}"#,
    ] {
        assert!(read::<Row>(bad.as_bytes(), 100).is_err(), "{bad} was taken");
    }
    for end in 0..good.len() {
        assert!(read::<Row>(&good.as_bytes()[..end], 100).is_err(), "taken though cut at {end}");
    }
    for place in 0..good.len() {
        let mut bad = good.clone().into_bytes();
        bad[place] ^= 0x10;
        // Some changes make another good page; none may panic.
        let _ = read::<Row>(&bad, 100);
        let _ = read::<RoutineInfo>(&bad, 100);
    }
    let nested = format!(r#"{{"version":1,"total":1,"matching":1,"routines":{}"#, "[".repeat(100_000));
    assert!(read::<Row>(nested.as_bytes(), 100).is_err());
}

#[test]
fn a_page_of_another_version_is_refused_with_the_remedy() {
    let fault = read::<Row>(br#"{"version":2,"everything":"else"}"#, 100).unwrap_err().to_string();
    assert!(fault.contains("version 2") && fault.contains("release"), "{fault}");
}

#[test]
fn more_lines_than_were_asked_for_are_not_kept() {
    let all = page((1..=500).map(|id| routine(id, None, "task", None, json!({}))).collect());
    let kept: Page<Row> = read(all.to_string().as_bytes(), 100).unwrap();
    assert_eq!(kept.routines.len(), 100);
}

#[test]
fn an_answer_larger_than_the_limit_is_refused() {
    let server = Server::new(|_| (200, vec![b' '; (16 << 20) + 1]));
    let fault = server.client().page::<Row>(&Query::default()).unwrap_err().to_string();
    assert!(fault.contains("16 MiB"), "{fault}");
}

#[test]
fn who_never_answers_is_not_waited_for_for_ever() {
    // Connections are made by the system, and nobody takes them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: Address = silent.local_addr().unwrap().to_string().parse().unwrap();
    let client = Client::with_patience(address, Duration::from_millis(50));
    let fault = client.page::<Row>(&Query::default()).unwrap_err().to_string();
    assert!(fault.contains("no answer within 50ms") && fault.contains("blocked"), "{fault}");
}

#[test]
fn each_refusal_tells_what_to_do() {
    for (status, body, told) in [
        (403, "this page is for peers on this machine", "this page is for peers on this machine"),
        (404, "", "mount `routines_inspect::router()`"),
        (400, "not a query of the page", "not a query of the page"),
        (500, "", "500"),
        (302, "", "302"),
    ] {
        let server = Server::new(move |_| (status, body.as_bytes().to_vec()));
        let fault = server.client().page::<Row>(&Query::default()).unwrap_err().to_string();
        assert!(fault.contains(told), "{status}: {fault}");
    }
    // Bound and dropped: nobody listens there now.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let fault = client(&free).page::<Row>(&Query::default()).unwrap_err().to_string();
    assert!(fault.contains(&free) && fault.contains("is it running"), "{fault}");
}

#[test]
fn what_is_asked_is_what_the_service_reads() {
    let server = Server::of(page(Vec::new()));
    let query = Query { q: "tenant=a&b #\u{1b}é".into(), desc: true, parent: Some(u64::MAX), ..Query::default() };
    server.client().page::<Row>(&query).unwrap();
    let asked = server.asked();
    let (path, asked) = asked[0].split_once('?').unwrap();
    assert_eq!(path, "/debug/routines/json");
    let read: Vec<_> = form_urlencoded::parse(asked.as_bytes()).map(|(k, v)| format!("{k}={v}")).collect();
    let parent = format!("parent={}", u64::MAX);
    assert_eq!(
        read,
        ["q=tenant=a&b #\u{1b}é", "sort=id", "desc=true", "page=0", "per_page=100", &parent, "view=routines"]
    );
}

#[test]
fn a_tree_too_deep_to_be_indented_is_refused_and_a_circle_too() {
    let options =
        Options { format: Format::Tree, filter: String::new(), sort: Sort::Id, desc: false, limit: 1_000_000 };
    let deep =
        page((1..=900).map(|id| routine(id, Some(id - 1).filter(|id| *id > 0), "task", None, json!({}))).collect());
    let circle = page(vec![routine(1, Some(2), "task", None, json!({})), routine(2, Some(1), "task", None, json!({}))]);
    for page in [deep, circle] {
        let failure = dump(&Server::of(page).client(), &options, &mut Vec::new()).unwrap_err().to_string();
        assert!(failure.contains("deeper than 500"), "{failure}");
    }
}
