//! `scoped-tls`: a borrowed value for the length of a call, on one thread.

use std::hint::black_box;

use crate::group::Group;
use crate::measure::{Case, timed};

const PEER: &str = "scoped-tls";

scoped_tls::scoped_thread_local!(static NUMBER: u64);
scoped_tls::scoped_thread_local!(static TEXT: String);

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Get, "1 value", PEER, |n| {
        let value = black_box(1);
        NUMBER.set(&value, || timed(n, || NUMBER.with(|value| *value)))
    }));
    cases.push(Case::op(Group::Scope, "u64", PEER, || {
        let value = black_box(1);
        NUMBER.set(&value, || black_box(()))
    }));
    cases.push(Case::op(Group::Scope, "String", PEER, || {
        let value = black_box("a request").to_owned();
        TEXT.set(&value, || black_box(()))
    }));
}
