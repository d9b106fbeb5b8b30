//! In what order rows come, and in pages.

use std::collections::HashSet;
use std::pin::pin;
use std::task::{Context, Waker};

/// On line 9, which text would sort after the lines from 10 to 89.
fn early() -> Waiting {
    waiting("early")
}

use serde_json::Value;

use crate::support::{TEST, Waiting, ask, named, names, some, waiting};

#[test]
fn pages_follow_each_other_and_hold_each_routine_once() {
    let _rows = some("pages", 25);
    for (sort, desc) in [("id", "false"), ("id", "true"), ("kind", "true"), ("state", "false"), ("busy", "true")] {
        let page = |page: usize| {
            ask(&[("q", "test=pages"), ("sort", sort), ("desc", desc), ("per_page", "7"), ("page", &page.to_string())])
        };
        let pages: Vec<Value> = (0..5).map(page).collect();
        let sizes: Vec<_> = pages.iter().map(|page| page["routines"].as_array().expect("a list").len()).collect();
        assert_eq!(sizes, [7, 7, 7, 4, 0], "{sort}");
        assert!(pages.iter().all(|page| page["matching"] == 25));
        let rows = pages.iter().flat_map(|page| page["routines"].as_array().expect("a list"));
        let ids: Vec<_> = rows.map(|row| row["id"].as_u64().expect("a number")).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 25, "{sort} {desc}");
        // All are alike but for their ids, so that these decide.
        assert_eq!(ids.is_sorted(), sort != "id" || desc == "false", "{sort} {desc}");
    }
}

#[test]
fn a_page_beyond_the_last_is_empty() {
    let _rows = some("beyond", 1);
    for page in ["1", &usize::MAX.to_string()] {
        let answer = ask(&[("q", "test=beyond"), ("page", page)]);
        assert_eq!((&answer["matching"], answer["routines"].as_array().map(Vec::len)), (&Value::from(1), Some(0)));
    }
}

#[test]
fn rows_are_sorted_by_name_and_those_without_one_come_last_either_way() {
    let _rows = TEST.sync_scope("by name", || {
        let nameless = routines::RoutineBuilder::new(routines::Kind::Task).future(async {});
        (waiting("pear"), nameless, waiting("apple"))
    });
    let sorted = |desc| names(&[("q", "test=\"by name\""), ("sort", "name"), ("desc", desc)]);
    assert_eq!(sorted("false"), ["apple", "pear", "-"]);
    assert_eq!(sorted("true"), ["pear", "apple", "-"]);
}

#[test]
fn rows_are_sorted_by_how_often_they_were_polled() {
    let mut rows = some("by polls", 3);
    let [_, once, twice] = rows.as_mut_slice() else { panic!("three") };
    for _ in 0..2 {
        assert!(pin!(&mut *twice).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert!(pin!(once).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(names(&[("q", "test=\"by polls\""), ("sort", "polls"), ("desc", "true")]), ["2", "1", "0"]);
    assert_eq!(names(&[("q", "test=\"by polls\""), ("sort", "polls")]), ["0", "1", "2"]);
}

#[test]
fn rows_are_sorted_by_line_as_a_number() {
    let _rows = TEST.sync_scope("by line", || (waiting("late"), early()));
    let answer = ask(&[("q", "test=\"by line\""), ("sort", "spawned_at")]);
    let places = [0, 1].map(|row| answer["routines"][row]["spawned_at"].as_str().expect("a place").to_owned());
    assert_eq!(named(&answer), ["early", "late"]);
    assert!(places[0] > places[1], "as text they sort the other way: {places:?}");
}
