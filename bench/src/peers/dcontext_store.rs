//! `dcontext`: values under string keys, in a store that is forked (shares its parent) or captured (copied).

use std::hint::black_box;
use std::time::Duration;

// Named in full where used: importing the trait would give every type its `scope`, `with` and `fork`.
use dcontext::ContextFutureExt as ext;
use dcontext::{ContextSnapshot, ContextStore, RegistryBuilder};

use crate::group::Group;
use crate::keys::{COUNTS, NAMES, values};
use crate::measure::{Case, timed};
use crate::poll::{self, Forever};
use crate::runtime::{block_on, child, in_task, spawn_and_join};

const PEER: &str = "dcontext";
const CAPTURE: &str = "dcontext, captured";

/// Registers the keys.
pub(crate) fn set_up() {
    let mut builder = RegistryBuilder::new();
    for name in NAMES {
        builder.register::<u64>(name);
    }
    builder.register::<String>("text");
    dcontext::initialize(builder);
}

/// A store with the first `count` values.
pub(crate) fn store(count: usize) -> ContextStore {
    let _guard = dcontext::attach_snapshot(ContextSnapshot::empty());
    for name in &NAMES[..count] {
        dcontext::set_context_variable(name, black_box(1_u64));
    }
    dcontext::capture().into()
}

fn read(name: &str) -> Option<u64> {
    dcontext::get_context_variable(name)
}

fn with_values<R>(count: usize, n: u64, op: impl FnMut() -> R) -> Duration {
    let _guard = dcontext::attach_store(store(count));
    timed(n, op)
}

/// A batch inside so many nested scopes.
fn deep(depth: usize, n: u64, op: impl FnMut() -> Option<u64>) -> Duration {
    if depth == 0 {
        return timed(n, op);
    }
    let _scope = dcontext::push_scope("deeper");
    deep(depth - 1, n, op)
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    for count in COUNTS {
        cases.push(Case::new(Group::Get, values(count), PEER, move |n| with_values(count, n, || read("K0"))));
        captures(cases, count);
        cases.push(poll::case(values(count), PEER, ext::with(Forever, store(count))));
    }
    cases.push(Case::new(Group::Get, "64 values, miss", PEER, |n| with_values(64, n, || read("unset"))));
    cases.push(Case::new(Group::Get, "64 scopes deep", PEER, |n| {
        let _guard = dcontext::attach_store(store(1));
        deep(64, n, || read("K0"))
    }));
    cases.push(Case::new(Group::Set, "u64", PEER, |n| {
        with_values(1, n, || dcontext::set_context_variable("K0", black_box(7_u64)))
    }));
    cases.push(Case::new(Group::Set, "String", PEER, |n| {
        with_values(1, n, || dcontext::set_context_variable("text", black_box("a request").to_owned()))
    }));
    cases.push(Case::new(Group::Scope, "u64", PEER, |n| {
        with_values(0, n, || {
            let _scope = dcontext::push_scope("scope");
            dcontext::set_context_variable("K0", black_box(1_u64));
        })
    }));
}

fn captures(cases: &mut Vec<Case>, count: usize) {
    cases.push(Case::new(Group::Snapshot, values(count), PEER, move |n| {
        with_values(count, n, || {
            let _guard = dcontext::attach_store(dcontext::fork());
            black_box(())
        })
    }));
    cases.push(Case::new(Group::Snapshot, values(count), CAPTURE, move |n| {
        with_values(count, n, || {
            let _guard = dcontext::attach_snapshot(dcontext::capture());
            black_box(())
        })
    }));
    cases.push(Case::new(Group::FirstSet, values(count), PEER, move |n| {
        with_values(count, n, || {
            let kept = dcontext::fork();
            dcontext::set_context_variable("K0", black_box(7_u64));
            drop(kept);
        })
    }));
}

/// With a runtime.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    for count in COUNTS {
        cases.push(Case::new(Group::Spawn, values(count), PEER, move |n| {
            let children = spawn_and_join(n, || tokio::spawn(ext::fork(child())));
            block_on(ext::with(children, store(count)))
        }));
        cases.push(Case::new(Group::Spawn, values(count), CAPTURE, move |n| {
            let children = spawn_and_join(n, || tokio::spawn(ext::capture(child())));
            block_on(ext::with(children, store(count)))
        }));
    }
    cases.push(Case::new(Group::TaskGet, "64 values", PEER, |n| in_task(move || with_values(64, n, || read("K0")))));
    cases.push(poll::task_case("64 values", PEER, || ext::with(Forever, store(64))));
}
