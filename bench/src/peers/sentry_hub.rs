//! Sentry's `Hub`: one shared hub for each thread or bound future. No client is bound, so nothing is sent anywhere.

use std::hint::black_box;
use std::sync::Arc;

use sentry_core::{Hub, SentryFutureExt as _};

use crate::group::Group;
use crate::measure::Case;
use crate::poll::{self, Forever};
use crate::runtime::{block_on, child, spawn_and_join};

const PEER: &str = "sentry-core";

/// A hub of its own, with what the current one has.
pub(crate) fn fresh() -> Arc<Hub> {
    Arc::new(Hub::new_from_top(Hub::current()))
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    cases.push(Case::op(Group::Get, "the current hub", PEER, Hub::current));
    cases.push(Case::op(Group::Scope, "a u64 as extra", PEER, || {
        let configure = |scope: &mut sentry_core::Scope| scope.set_extra("value", black_box(1_u64).into());
        Hub::current().with_scope(configure, || black_box(()))
    }));
    cases.push(Case::op(Group::Snapshot, "the current hub", PEER, || Hub::run(Hub::current(), || black_box(()))));
    cases.push(Case::op(Group::Snapshot, "a fresh hub", PEER, || Hub::run(fresh(), || black_box(()))));
    cases.push(poll::case("a hub", PEER, Forever.bind_hub(fresh())));
}

/// With a runtime.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Spawn, "a fresh hub", PEER, |n| {
        block_on(spawn_and_join(n, || tokio::spawn(child().bind_hub(fresh()))))
    }));
}
