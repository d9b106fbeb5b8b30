//! `log-mdc`: a map of strings for each thread.

use std::hint::black_box;
use std::time::Duration;

use crate::group::Group;
use crate::keys::{COUNTS, NAMES, values};
use crate::measure::{Case, timed};

const PEER: &str = "log-mdc";

/// A batch with the first `count` entries set; the map is empty again afterwards.
fn with_values<R>(count: usize, n: u64, op: impl FnMut() -> R) -> Duration {
    for name in &NAMES[..count] {
        log_mdc::insert(*name, "a request");
    }
    let took = timed(n, op);
    log_mdc::clear();
    took
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    for count in COUNTS {
        cases.push(Case::new(Group::Get, format!("{}, a str by reference", values(count)), PEER, move |n| {
            with_values(count, n, || log_mdc::get("K0", |text| text.map(str::len)))
        }));
    }
    cases.push(Case::new(Group::Get, "String", PEER, |n| {
        with_values(1, n, || log_mdc::get("K0", |text| text.map(str::to_owned)))
    }));
    cases.push(Case::new(Group::Set, "String", PEER, |n| {
        with_values(1, n, || log_mdc::insert("K0", black_box("a request")))
    }));
    cases.push(Case::new(Group::Scope, "String", PEER, |n| {
        with_values(1, n, || {
            let _guard = log_mdc::insert_scoped("added", black_box("a request"));
            black_box(())
        })
    }));
}
