//! `tokio-inherit-task-local`: one map in a tokio task-local, copied at each scope and each inheriting spawn.

use std::hint::black_box;
use std::time::Duration;

use tokio_inherit_task_local::{
    FutureInheritTaskLocal as _, InheritableLocalKey, inherit_task_local, inheritable_task_local,
};

use crate::group::Group;
use crate::keys::{COUNTS, sixty_four, values};
use crate::measure::{Case, timed};
use crate::poll::{self, Forever};
use crate::runtime::{block_on, child, in_task, spawn_and_join};

const PEER: &str = "tokio-inherit-task-local";

macro_rules! declare {
    ($($key:ident)*) => {
        inheritable_task_local! { $(static $key: u64;)* }
        static KEYS: [&InheritableLocalKey<u64>; 64] = [$(&$key),*];
    };
}
sixty_four!(declare);

inheritable_task_local! {
    static ADDED: u64;
    static UNSET: u64;
    static TEXT: String;
}

/// Runs `f` with each of the keys set.
pub(crate) fn inside(keys: &[&'static InheritableLocalKey<u64>], f: &mut dyn FnMut()) {
    match keys {
        [] => f(),
        [key, rest @ ..] => key.sync_scope(black_box(1), || inside(rest, f)),
    }
}

/// Runs `f` with the first `count` values.
pub(crate) fn with_values<R>(count: usize, mut f: impl FnMut() -> R) -> R {
    let mut result = None;
    inside(&KEYS[..count], &mut || result = Some(f()));
    result.expect("inside runs its closure")
}

fn batch<R>(count: usize, n: u64, mut op: impl FnMut() -> R) -> Duration {
    with_values(count, || timed(n, &mut op))
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    for count in COUNTS {
        cases.push(Case::new(Group::Get, values(count), PEER, move |n| {
            batch(count, n, || K0.try_with(|value| *value).ok())
        }));
        cases.push(Case::new(Group::Snapshot, values(count), PEER, move |n| {
            batch(count, n, || inherit_task_local(|| black_box(()))())
        }));
        cases.push(Case::new(Group::FirstSet, values(count), PEER, move |n| {
            batch(count, n, || ADDED.sync_scope(black_box(7), || black_box(())))
        }));
        let future = with_values(count, || Forever.inherit_task_local());
        cases.push(poll::case(values(count), PEER, future));
    }
    cases
        .push(Case::new(Group::Get, "64 values, miss", PEER, |n| batch(64, n, || UNSET.try_with(|value| *value).ok())));
    for (name, count) in [("u64", 0), ("u64, 8 values there", 8), ("u64, 64 values there", 64)] {
        cases.push(Case::new(Group::Scope, name, PEER, move |n| {
            batch(count, n, || ADDED.sync_scope(black_box(1), || black_box(())))
        }));
    }
    cases.push(Case::op(Group::Scope, "String", PEER, || {
        TEXT.sync_scope(black_box("a request").to_owned(), || black_box(()))
    }));
}

/// With a runtime.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    for count in COUNTS {
        cases.push(Case::new(Group::Spawn, values(count), PEER, move |n| {
            let children = spawn_and_join(n, || tokio::spawn(child().inherit_task_local()));
            // The children's maker inherits the values itself, so that it still has them when it runs.
            let mut children = Some(children);
            let maker = with_values(count, || children.take().map(|children| Box::pin(children).inherit_task_local()));
            block_on(maker.expect("made once"))
        }));
    }
    cases.push(Case::new(Group::TaskGet, "64 values", PEER, |n| {
        in_task(move || batch(64, n, || K0.try_with(|value| *value).ok()))
    }));
}
