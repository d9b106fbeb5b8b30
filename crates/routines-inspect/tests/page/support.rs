//! Owns routines to look at, and asking for them.

use std::future::{Pending, pending};

use routines::{Carried, Kind, Local, RoutineBuilder};
use routines_inspect::page::{self, Query};
use serde_json::Value;

/// Each test looks at its own routines only: all tests of the binary share one process.
pub(crate) static TEST: Local<&'static str> = Local::new().named("test");

pub(crate) type Waiting = Carried<Pending<()>>;

/// A routine that lives until it is dropped.
#[track_caller]
pub(crate) fn waiting(name: &str) -> Waiting {
    RoutineBuilder::new(Kind::Task).name(name).future(pending())
}

/// So many routines of one test, called by their numbers.
pub(crate) fn some(test: &'static str, count: usize) -> Vec<Waiting> {
    TEST.sync_scope(test, || (0..count).map(|number| waiting(&number.to_string())).collect())
}

/// What the page answers to these parameters.
pub(crate) fn ask(parameters: &[(&str, &str)]) -> Value {
    let query = serde_urlencoded::to_string(parameters).expect("pairs of strings");
    let query = Query::parse(&query).expect("a query");
    serde_json::from_slice(&page::json(&query)).expect("the page writes JSON")
}

/// The names of the routines that match.
pub(crate) fn names(parameters: &[(&str, &str)]) -> Vec<String> {
    named(&ask(parameters))
}

pub(crate) fn named(answer: &Value) -> Vec<String> {
    let rows = answer["routines"].as_array().expect("a list");
    rows.iter().map(|row| row["name"].as_str().unwrap_or("-").to_owned()).collect()
}
