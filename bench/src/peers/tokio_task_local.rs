//! `tokio::task_local!`: a scope for each key, and nothing is inherited.

use std::hint::black_box;
use std::time::Duration;

use tokio::task::LocalKey;

use crate::group::Group;
use crate::keys::sixty_four;
use crate::measure::{Case, timed};
use crate::poll::{self, Forever};
use crate::runtime::{block_on, child, in_task, spawn_and_join};

const PEER: &str = "tokio task_local";

macro_rules! declare {
    ($($key:ident)*) => {
        tokio::task_local! { $(static $key: u64;)* }
        static KEYS: [&LocalKey<u64>; 64] = [$(&$key),*];
    };
}
sixty_four!(declare);

tokio::task_local! {
    static TEXT: String;
    static UNSET: u64;
}

/// A future inside one scope for each of the keys named.
macro_rules! nest {
    ($future:expr;) => { $future };
    ($future:expr; $key:ident $($rest:ident)*) => { $key.scope(1, nest!($future; $($rest)*)) };
}
macro_rules! child_in_all {
    ($($key:ident)*) => { nest!(child(); $($key)*) };
}

/// Runs `f` inside a scope of each of the keys.
fn inside(keys: &[&'static LocalKey<u64>], f: &mut dyn FnMut()) {
    match keys {
        [] => f(),
        [key, rest @ ..] => key.sync_scope(black_box(1), || inside(rest, f)),
    }
}

/// A batch inside a scope of each of the first `count` keys.
fn batch_inside(count: usize, mut batch: impl FnMut() -> Duration) -> Duration {
    let mut took = Duration::ZERO;
    inside(&KEYS[..count], &mut || took = batch());
    took
}

fn get(name: &'static str, count: usize) -> Case {
    Case::new(Group::Get, name, PEER, move |n| batch_inside(count, || timed(n, || K0.try_with(|v| *v).ok())))
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    cases.push(get("1 value", 1));
    cases.push(get("64 scopes deep", 64));
    cases.push(Case::op(Group::Get, "64 values, miss", PEER, || UNSET.try_with(|v| *v).ok()));
    cases.push(Case::new(Group::Get, "String", PEER, |n| {
        TEXT.sync_scope("a request".to_owned(), || timed(n, || TEXT.try_with(String::clone).ok()))
    }));
    cases.push(Case::op(Group::Scope, "u64", PEER, || K0.sync_scope(black_box(1), || black_box(()))));
    cases.push(Case::op(Group::Scope, "String", PEER, || {
        TEXT.sync_scope(black_box("a request").to_owned(), || black_box(()))
    }));
    cases.push(poll::case("1 value", PEER, K0.scope(1, Forever)));
    cases.push(poll::case("8 values", PEER, eight(Forever)));
}

/// With a runtime.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::TaskGet, "1 value", PEER, |n| {
        in_task(move || batch_inside(1, || timed(n, || K0.try_with(|v| *v).ok())))
    }));
    cases.push(Case::new(Group::TaskScope, "u64", PEER, |n| {
        in_task(move || timed(n, || K0.sync_scope(black_box(1), || black_box(()))))
    }));
    cases.push(poll::task_case("1 value", PEER, || K0.scope(1, Forever)));
    cases.push(poll::task_case("8 values", PEER, || eight(Forever)));
    cases.push(Case::new(Group::Spawn, "1 value", PEER, |n| {
        block_on(spawn_and_join(n, || tokio::spawn(K0.scope(1, child()))))
    }));
    cases.push(Case::new(Group::Spawn, "8 values", PEER, |n| {
        block_on(spawn_and_join(n, || tokio::spawn(eight(child()))))
    }));
    cases.push(Case::new(Group::Spawn, "64 values", PEER, |n| {
        block_on(spawn_and_join(n, || tokio::spawn(sixty_four!(child_in_all))))
    }));
}

/// A future with one value.
pub(crate) fn one(future: impl Future<Output = ()> + Send) -> impl Future<Output = ()> + Send {
    K0.scope(1, future)
}

/// A future with eight values.
pub(crate) fn eight(future: impl Future<Output = ()> + Send) -> impl Future<Output = ()> + Send {
    nest!(future; K0 K1 K2 K3 K4 K5 K6 K7)
}
