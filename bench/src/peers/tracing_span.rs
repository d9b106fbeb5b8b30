//! `tracing` spans, with a registry that keeps them and prints nothing.

use std::hint::black_box;

use tracing::{Instrument, Span, info_span};

use crate::group::Group;
use crate::measure::{Case, timed};
use crate::poll::{self, Forever};
use crate::runtime::{block_on, child, spawn_and_join};

const PEER: &str = "tracing";

/// Installs the registry for the whole process, as programs do.
pub(crate) fn set_up() {
    let installed = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    installed.expect("nothing else installs one");
}

/// A batch inside a span.
fn in_span<R>(n: u64, op: impl FnMut() -> R) -> std::time::Duration {
    info_span!("request", id = 1_u64).in_scope(|| timed(n, op))
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Id, "id", "tracing Span::current().id()", |n| in_span(n, || Span::current().id())));
    cases.push(Case::new(Group::Get, "the current span", PEER, |n| in_span(n, Span::current)));
    cases.push(Case::op(Group::Scope, "new span with a u64", PEER, || {
        info_span!("scope", value = black_box(1_u64)).in_scope(|| black_box(()))
    }));
    let existing = info_span!("existing");
    cases.push(Case::op(Group::Scope, "existing span", PEER, move || existing.in_scope(|| black_box(()))));
    cases.push(Case::new(Group::Snapshot, "the current span", PEER, |n| {
        in_span(n, || Span::current().in_scope(|| black_box(())))
    }));
    cases.push(poll::case("span", PEER, Forever.instrument(info_span!("request", id = 1_u64))));
    cases.push(poll::case("disabled span", PEER, Forever.instrument(Span::none())));
}

/// With a runtime.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Spawn, "the current span", PEER, |n| {
        let children = spawn_and_join(n, || tokio::spawn(child().in_current_span()));
        block_on(children.instrument(info_span!("request", id = 1_u64)))
    }));
    cases.push(Case::new(Group::Spawn, "a new child span", PEER, |n| {
        let children = spawn_and_join(n, || tokio::spawn(child().instrument(info_span!("child"))));
        block_on(children.instrument(info_span!("request", id = 1_u64)))
    }));
}
