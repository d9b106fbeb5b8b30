//! `fastrace` spans, recording but without a reporter: what is recorded is thrown away, and no thread of its own runs beside us.

use std::hint::black_box;
use std::time::Duration;

use fastrace::Span;
use fastrace::future::FutureExt;
use fastrace::local::LocalSpan;
use fastrace::prelude::SpanContext;

use crate::group::Group;
use crate::measure::{Case, timed};
use crate::poll::{self, Forever};
use crate::runtime::{block_on, child, spawn_and_join};

const PEER: &str = "fastrace";

fn root() -> Span {
    Span::root("request", SpanContext::random())
}

/// A batch with a root span. A span line holds 10,240 spans, so each batch has one of its own.
fn in_root<R>(n: u64, op: impl FnMut() -> R) -> Duration {
    let root = root();
    let _guard = root.set_local_parent();
    timed(n, op)
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Get, "the current span", PEER, |n| in_root(n, SpanContext::current_local_parent)));
    cases.push(Case::new(Group::Scope, "new span", PEER, |n| {
        in_root(n, || {
            let _span = LocalSpan::enter_with_local_parent("scope");
            black_box(())
        })
    }));
    cases.push(Case::op(Group::Scope, "new span, nothing recorded", PEER, || {
        let _span = LocalSpan::enter_with_local_parent("scope");
        black_box(())
    }));
    cases.push(poll::case("span", PEER, Forever.in_span(root())));
    cases.push(poll::case("disabled span", PEER, Forever.in_span(Span::noop())));
}

/// With a runtime.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Spawn, "a new child span", PEER, |n| {
        let children = spawn_and_join(n, || tokio::spawn(child().in_span(Span::enter_with_local_parent("child"))));
        block_on(children.in_span(root()))
    }));
}
