//! What `routines dump` writes.

use std::io::Write;

use routines::Dump;
use routines_cli::dump::{Format, Options, dump};
use routines_cli::query::Sort;
use serde_json::{Value, json};

use crate::support::{Server, page, routine};

fn options(format: Format) -> Options {
    Options { format, filter: String::new(), sort: Sort::Id, desc: false, limit: 1_000_000 }
}

/// What is written where colours are not.
fn dumped(server: &Server, format: Format) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    dump(&server.client(), &options(format), &mut out).unwrap_or_else(|error| panic!("{error}"));
    out.flush().expect("a vector");
    String::from_utf8(out.into_inner()).expect("text")
}

fn family() -> Server {
    let mut family = page(vec![
        routine(1, None, "thread", Some("main"), json!({})),
        routine(2, Some(1), "task", Some("a\u{9b}\u{1b}b"), json!({"tenant": "ac\nme"})),
        routine(3, Some(2), "task", None, json!({})),
    ]);
    family["groups"] = json!([{"count": 3, "kind": "task", "spawned_at": "a.rs:1", "states": {"idle": 2, "running": 1},
        "oldest_ms": 61_000, "polls": 9, "busy_us": 1_500, "values": {"tenant": {"distinct": 7, "commonest": [["acme", 2]]}}}]);
    Server::of(family)
}

#[test]
fn text_is_the_dump_of_the_core_and_can_be_parsed_back() {
    let text = dumped(&family(), Format::Text);
    let read = Dump::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let ids: Vec<u64> = read.routines.iter().map(|info| info.id.as_u64()).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(read.routines[1].name.as_deref(), Some("a\u{9b}\u{1b}b"));
}

#[test]
fn json_is_one_object_with_a_routine_on_each_line_and_no_character_a_terminal_obeys() {
    let text = dumped(&family(), Format::Json);
    let read: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!((&read["version"], &read["total"]), (&json!(1), &json!(3)));
    assert_eq!(read["routines"][1]["name"], "a\u{9b}\u{1b}b");
    assert_eq!(text.lines().count(), 1 + 3 + 1);
    assert!(!text.replace('\n', "").contains(char::is_control), "{text:?}");
}

#[test]
fn no_routines_are_good_json_too() {
    let read: Value = serde_json::from_str(&dumped(&Server::of(page(Vec::new())), Format::Json)).unwrap();
    assert_eq!(read["routines"], json!([]));
}

#[test]
fn a_tree_has_children_below_the_routine_that_started_them() {
    let text = dumped(&family(), Format::Tree);
    let indents: Vec<usize> = text.lines().map(|line| line.len() - line.trim_start().len()).collect();
    assert_eq!(indents, [0, 2, 4], "{text}");
}

#[test]
fn groups_have_go_s_shape() {
    let text = dumped(&family(), Format::Groups);
    let head = "3 @ a.rs:1 [idle 2, running 1] task, oldest 1m, 9 polls, busy 1.5ms";
    assert_eq!(text, format!("{head}\n#\ttenant: acme 2, 6 more values\n"));
}

#[test]
fn colours_are_for_terminals_and_only_the_first_line_of_a_routine_has_them() {
    let mut out = Vec::new();
    dump(&family().client(), &options(Format::Text), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches("\u{1b}[1m").count(), 3);
    assert!(!dumped(&family(), Format::Text).contains('\u{1b}'));
}

/// 2500 routines in pages of what is asked for; each page begins with the last of the one before, as if one had ended meanwhile.
fn many() -> Server {
    Server::new(|path| {
        let number = |name: &str| -> u64 {
            let (_, value) = path.split_once(&format!("{name}=")).expect("it is asked for");
            value.split('&').next().unwrap().parse().unwrap()
        };
        let (page_number, per_page) = (number("&page"), number("per_page"));
        let first = 1 + page_number * per_page;
        let ids = first.saturating_sub(u64::from(page_number > 0))..(first + per_page).min(2_501);
        let rows = ids.take(usize::try_from(per_page).unwrap()).map(|id| routine(id, None, "task", None, json!({})));
        let mut answer = page(rows.collect());
        answer["matching"] = 2_500.into();
        (200, answer.to_string().into_bytes())
    })
}

#[test]
fn all_pages_are_asked_for_and_no_routine_is_written_twice() {
    for format in [Format::Text, Format::Json, Format::Tree] {
        let server = many();
        let text = dumped(&server, format);
        let ones = text.matches(match format {
            Format::Json => "\"id\":1000,",
            _ => "routine 1000 ",
        });
        assert_eq!((ones.count(), server.asked().len()), (1, 3), "{format:?}");
    }
}

#[test]
fn a_service_whose_pages_never_end_is_left() {
    let full = page((1..=1_000).map(|id| json!({"id": id})).collect()).to_string().into_bytes();
    let endless = Server::new(move |_| (200, full.clone()));
    let options = Options { limit: 3_000, ..options(Format::Json) };
    let failure = dump(&endless.client(), &options, &mut Vec::new()).unwrap_err().to_string();
    assert!(failure.contains("more than 3000") && failure.contains("--limit"), "{failure}");
    assert_eq!(endless.asked().len(), 4);
}
