//! Routines grouped by the line that spawned them.

use std::future::pending;
use std::panic::Location;

use routines::{Kind, Local, RoutineBuilder};
use routines_inspect::page;

use crate::support::{TEST, Waiting, ask, waiting};

static CUSTOMER: Local<&'static str> = Local::new().named("customer");

/// All spawned at the caller's line, which no other test shares.
#[track_caller]
fn several(test: &'static str, count: usize) -> Vec<Waiting> {
    let at = Location::caller();
    let one = || RoutineBuilder::new(Kind::Task).location(at).future(pending());
    let customer = |number| if number % 3 == 0 { "acme" } else { "globex" };
    TEST.sync_scope(test, || (0..count).map(|number| CUSTOMER.sync_scope(customer(number), one)).collect())
}

#[test]
fn one_group_is_one_line_the_largest_first() {
    let _many = several("grouped", 9);
    let _few = TEST.sync_scope("grouped", || [waiting("a"), waiting("b")]);
    let answer = ask(&[("view", "groups"), ("q", "test=grouped")]);
    assert_eq!((answer["matching"].as_u64(), answer["routines"].as_array().map(Vec::len)), (Some(2), Some(0)));
    let groups = answer["groups"].as_array().expect("a list");
    let counts: Vec<_> = groups.iter().map(|group| group["count"].as_u64().expect("a number")).collect();
    assert_eq!(counts, [9, 2]);
    let largest = &groups[0];
    assert!(largest["spawned_at"].as_str().expect("a place").contains("groups.rs:"));
    assert_eq!((&largest["kind"], &largest["states"]), (&"task".into(), &serde_json::json!({"idle": 9})));
    let customers = serde_json::json!({"distinct": 2, "commonest": [["globex", 6], ["acme", 3]]});
    assert_eq!(largest["values"]["customer"], customers);
}

#[test]
fn groups_come_in_pages_too() {
    let _rows = TEST.sync_scope("group pages", || {
        let tasks = several("group pages", 3);
        let job = RoutineBuilder::new(Kind::Job).job(|| ());
        (tasks, waiting("a"), job)
    });
    let page = |page| {
        let answer = ask(&[("view", "groups"), ("q", "test=\"group pages\""), ("per_page", "2"), ("page", page)]);
        answer["groups"].as_array().expect("a list").len()
    };
    assert_eq!(["0", "1", "2"].map(page), [2, 1, 0]);
}

#[test]
fn the_text_counts_states_and_the_commonest_values() {
    let _many = several("grouped text", 9);
    let text = page::grouped();
    let (head, body) = text.split_once('\n').expect("lines");
    assert!(head.strip_prefix("routine profile: total ").is_some_and(|total| total.parse::<usize>().is_ok()), "{head}");
    let lines: Vec<_> = body.lines().collect();
    let ours = lines.iter().position(|line| line.starts_with("#\t\"test\": \"grouped text\" 9"));
    let ours = ours.unwrap_or_else(|| panic!("{text}"));
    let group = lines[..ours].iter().rfind(|line| !line.starts_with('#')).expect("the group above its values");
    assert!(
        group.starts_with("9 @ ") && group.contains("groups.rs:") && group.contains("[idle] task, oldest "),
        "{group}"
    );
    assert!(lines.contains(&"#\t\"customer\": \"globex\" 6, \"acme\" 3"), "{text}");
}

#[test]
fn of_many_values_the_commonest_are_shown_and_the_others_counted() {
    static NUMBER: Local<u64> = Local::new().named("number");
    let _many: Vec<_> = TEST.sync_scope("many values", || {
        (0..20).map(|number| NUMBER.sync_scope(number.min(13), || waiting("one"))).collect()
    });
    let answer = ask(&[("view", "groups"), ("q", "test=\"many values\"")]);
    let numbers = &answer["groups"][0]["values"]["number"];
    assert_eq!((&numbers["distinct"], &numbers["commonest"][0]), (&14.into(), &serde_json::json!(["13", 7])));
    assert_eq!(numbers["commonest"].as_array().map(Vec::len), Some(5));
    assert!(page::grouped().contains(r#""number": "13" 7, "0" 1, "1" 1, "10" 1, "11" 1, 9 more values"#));
}
