//! 100 000 routines.

use serde_json::Value;

use crate::support::{ask, some};

#[test]
fn among_a_hundred_thousand_one_page_is_cut_and_one_routine_found() {
    let _crowd = some("crowd", 100_000);
    let answer = ask(&[("q", "test=crowd"), ("sort", "name"), ("desc", "true"), ("page", "999"), ("per_page", "100")]);
    assert_eq!(answer["matching"], 100_000);
    let rows = answer["routines"].as_array().expect("a list");
    assert_eq!((rows.len(), &rows[99]["name"]), (100, &Value::from("0")), "the last of all");
    let one = ask(&[("q", "test=crowd name=77777")]);
    assert_eq!((&one["matching"], &one["routines"][0]["name"]), (&Value::from(1), &Value::from("77777")));
    let groups = ask(&[("q", "test=crowd"), ("view", "groups")]);
    assert_eq!((&groups["matching"], &groups["groups"][0]["count"]), (&Value::from(1), &Value::from(100_000)));
    let tree = ask(&[("q", "test=crowd"), ("view", "tree"), ("parent", &routines::id().to_string())]);
    assert_eq!((&tree["matching"], tree["routines"].as_array().map(Vec::len)), (&Value::from(100_000), Some(100)));
}
