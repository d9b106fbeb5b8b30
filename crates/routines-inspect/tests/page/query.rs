//! Reading a URL's query.

use routines::RoutineId;
use routines_inspect::page::{Query, Sort, View};

#[test]
fn nothing_asked_is_the_first_hundred_by_id() {
    let query = Query::parse("").expect("an empty query");
    assert_eq!(query, Query::default());
    assert_eq!((query.sort, query.desc, query.page, query.per_page), (Sort::Id, false, 0, 100));
    assert_eq!((query.view, query.parent, query.id), (View::Routines, None, None));
}

#[test]
fn every_parameter_is_read() {
    let text = "q=tenant%3Dac+me%26&sort=spawned_at&desc=1&page=3&per_page=1000&parent=17&view=tree&id=foreign-9";
    let query = Query::parse(text).expect("a query");
    assert_eq!(query.q, "tenant=ac me&");
    assert_eq!((query.sort, query.desc, query.page, query.per_page), (Sort::SpawnedAt, true, 3, 1000));
    assert_eq!((query.parent, query.view), (RoutineId::from_u64(17), View::Tree));
    assert!(query.id.expect("an id").is_foreign());
}

#[test]
fn every_column_and_view_has_its_name() {
    for sort in ["id", "parent", "kind", "name", "spawned_at", "state", "age", "idle", "polls", "busy", "count"] {
        assert!(Query::parse(&format!("sort={sort}")).is_ok(), "{sort}");
    }
    for view in ["routines", "tree", "groups"] {
        assert!(Query::parse(&format!("view={view}")).is_ok(), "{view}");
    }
}

#[test]
fn an_id_is_taken_as_text_and_as_number() {
    let foreign = Query::parse("parent=9223372036854775817").expect("a number").parent;
    assert_eq!(foreign, Query::parse("parent=foreign-9").expect("as shown").parent);
    assert!(foreign.expect("an id").is_foreign());
    assert_eq!(Query::parse("parent=").expect("nothing").parent, None);
}

#[test]
fn what_is_not_understood_is_an_error_that_says_so() {
    let wrong = [
        ("sort=colour", "colour"),
        ("per_page=0", "1 to 1000"),
        ("per_page=1001", "1 to 1000"),
        ("page=-1", "invalid digit"),
        ("page=99999999999999999999", "too large"),
        ("desc=maybe", "true or false"),
        ("view=graph", "graph"),
        ("parent=0", "routine id"),
        ("parent=x", "routine id"),
        ("colour=red", "colour"),
        ("page=1&page=2", "duplicate"),
    ];
    let long = format!("q={}", "a".repeat(1001));
    for (query, part) in wrong.into_iter().chain([(long.as_str(), "1000 bytes")]) {
        let error = Query::parse(query).expect_err(query).to_string();
        assert!(error.contains(part), "{query}: {error}");
    }
}
