//! The JSON form, to the letter: readers in other languages depend on it.

use std::task::{Context, Waker};

use routines::{Local, Timing};
use serde_json::{Value, json};

use crate::support::{TEST, ask, some, waiting};

static FLAG: Local<bool> = Local::new().named("flag");
static SIGNED: Local<i64> = Local::new().named("signed");

/// Replaces a number that differs at each run by a mark.
fn masked(of: &mut Value, field: &str) -> u64 {
    let number = of[field].as_u64().unwrap_or_else(|| panic!("{field} is no number: {of}"));
    of[field] = json!("<number>");
    number
}

#[test]
fn a_page_of_routines() {
    let _row = TEST.sync_scope("schema", || FLAG.sync_scope(true, || SIGNED.sync_scope(-3, || waiting("row"))));
    let mut answer = ask(&[("q", "test=schema"), ("per_page", "5")]);
    assert!(masked(&mut answer, "now_unix_ms") > 1_700_000_000_000);
    assert!(masked(&mut answer, "total") >= 1);
    assert!(answer["timing"].is_boolean());
    answer["timing"] = json!(false);
    let row = &mut answer["routines"][0];
    let id = masked(row, "id");
    assert_eq!(row["id_text"], id.to_string());
    masked(row, "age_ms");
    assert!(row["spawned_at"].as_str().expect("a place").starts_with("crates/routines-inspect/tests/page/schema.rs:"));
    let golden = json!({
        "version": 1, "now_unix_ms": "<number>", "total": "<number>", "matching": 1, "page": 0, "per_page": 5, "timing": false,
        "routines": [{
            "id": "<number>", "id_text": row["id_text"], "parent": routines::id().as_u64(), "parent_text": routines::id().to_string(),
            "kind": "task", "name": "row", "spawned_at": row["spawned_at"], "state": "idle", "idle_ms": row["idle_ms"],
            "age_ms": "<number>", "polls": 0, "busy_us": null, "children": 0,
            "values": {"test": "schema", "flag": true, "signed": -3},
        }],
        "groups": [], "chain": [],
    });
    assert_eq!(answer, golden);
}

#[test]
fn a_page_of_groups() {
    let _rows = some("group schema", 2);
    let mut answer = ask(&[("q", "test=\"group schema\""), ("view", "groups")]);
    let group = &mut answer["groups"][0];
    masked(group, "oldest_ms");
    let golden = json!({
        "spawned_at": group["spawned_at"], "kind": "task", "count": 2, "states": {"idle": 2}, "oldest_ms": "<number>",
        "polls": 0, "busy_us": null, "values": {"test": {"distinct": 1, "commonest": [["group schema", 2]]}},
    });
    assert_eq!(*group, golden);
}

#[test]
fn time_in_polls_is_there_once_timing_was_on() {
    let timing = Timing::on();
    let mut rows = some("busy", 1);
    assert!(std::pin::pin!(&mut rows[0]).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(timing);
    let answer = ask(&[("q", "test=busy")]);
    assert!(answer["routines"][0]["busy_us"].is_u64(), "{answer}");
    assert_eq!(answer["timing"], true);
}
