//! `routines`: what all of this is about.

use std::hint::black_box;
use std::time::Duration;

use routines::{FutureExt as _, Local, Snapshot};

use crate::group::Group;
use crate::keys::{COUNTS, values};
use crate::measure::{Body, Case, timed};
use crate::pair::PairCase;
use crate::poll::{self, Forever};
use crate::runtime::{block_on, child, in_task, spawn_and_join};
use crate::targets::OURS;

static KEYS: [Local<u64>; 64] = [const { Local::new() }; 64];
static UNSET: Local<u64> = Local::new();
static DEFAULTED: Local<u64> = Local::with_default(|| 7);
static TEXT: Local<String> = Local::new();
static NAMED: Local<u64> = Local::new().named("bench_number");
static NAMED_TEXT: Local<String> = Local::new().named("bench_text");

/// The values that are there before a scope is entered.
const THERE: [(&str, usize); 3] = [("u64", 0), ("u64, 8 values there", 8), ("u64, 64 values there", 64)];

/// The key that is bound first.
pub(crate) fn first_key() -> &'static Local<u64> {
    &KEYS[0]
}

/// Runs `f` with the first `count` values set in a frame of its own.
pub(crate) fn with_values<R>(count: usize, f: impl FnOnce() -> R) -> R {
    let Some(rest) = count.checked_sub(1) else { return f() };
    KEYS[0].sync_scope(black_box(1), || {
        set_rest(rest);
        f()
    })
}

/// Runs a future with the first `count` values set in a frame of its own.
pub(crate) async fn async_with_values<R>(count: usize, future: impl Future<Output = R>) -> R {
    let Some(rest) = count.checked_sub(1) else { return future.await };
    let inner = async {
        set_rest(rest);
        future.await
    };
    KEYS[0].scope(black_box(1), inner).await
}

fn set_rest(count: usize) {
    for key in &KEYS[1..=count] {
        key.set(black_box(1));
    }
}

/// A batch with so many values set.
fn batch<R>(count: usize, n: u64, op: impl FnMut() -> R) -> Duration {
    with_values(count, || timed(n, op))
}

/// A batch inside so many scopes, each of another key.
fn deep<R>(depth: usize, n: u64, op: &mut dyn FnMut() -> R) -> Duration {
    match depth {
        0 => timed(n, op),
        _ => KEYS[64 - depth].sync_scope(black_box(1), || deep(depth - 1, n, op)),
    }
}

/// A batch inside a task that was spawned our way, with the values of its maker.
fn in_routine(count: usize, batch: impl FnOnce() -> Duration + Send + 'static) -> Duration {
    let spawned = async move { routines_tokio::spawn(async move { batch() }).await.expect("batches do not panic") };
    block_on(async_with_values(count, spawned))
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    cases.push(Case::op(Group::Id, "id", OURS, routines::id));
    cases.push(Case::op(Group::Id, "id, or none", OURS, routines::try_id));
    gets(cases);
    sets(cases);
    scopes(cases);
    for count in COUNTS {
        snapshots(cases, count);
        polls(cases, count);
    }
    cases.push(poll::case("nothing bound", OURS, Forever.inherit()));
    cases.push(poll::case("a scope", OURS, KEYS[0].scope(1, Forever)));
}

fn gets(cases: &mut Vec<Case>) {
    for count in COUNTS {
        cases.push(Case::new(Group::Get, values(count), OURS, move |n| batch(count, n, || KEYS[0].get())));
    }
    cases.push(Case::new(Group::Get, "64 values, the last set", OURS, |n| batch(64, n, || KEYS[63].get())));
    cases.push(Case::new(Group::Get, "64 values, miss", OURS, |n| batch(64, n, || UNSET.get())));
    cases.push(Case::op(Group::Get, "nothing bound, miss", OURS, || UNSET.get()));
    cases.push(Case::op(Group::Get, "nothing bound, default", OURS, || DEFAULTED.get()));
    cases.push(Case::new(Group::Get, "64 scopes deep", OURS, |n| deep(64, n, &mut || KEYS[0].get())));
    cases.push(Case::new(Group::Get, "64 scopes deep, miss", OURS, |n| deep(64, n, &mut || UNSET.get())));
    cases.push(Case::new(Group::Get, "String", OURS, |n| text(n, || TEXT.get())));
    cases.push(Case::new(Group::Get, "String, by reference", OURS, |n| text(n, || TEXT.with(String::len))));
    cases.push(Case::new(Group::Get, "String, shared", OURS, |n| text(n, || TEXT.get_arc())));
}

/// A batch with a text set.
fn text<R>(n: u64, op: impl FnMut() -> R) -> Duration {
    TEXT.sync_scope("a request".to_owned(), || timed(n, op))
}

fn sets(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Set, "u64", OURS, |n| batch(1, n, || KEYS[0].set(black_box(7)))));
    cases.push(Case::new(Group::Set, "u64, 64 values there", OURS, |n| batch(64, n, || KEYS[63].set(black_box(7)))));
    cases.push(Case::new(Group::Set, "String", OURS, |n| text(n, || TEXT.set(black_box("a request").to_owned()))));
    cases.push(Case::new(Group::Set, "named u64", OURS, |n| {
        NAMED.sync_scope(1, || timed(n, || NAMED.set(black_box(7))))
    }));
}

fn scopes(cases: &mut Vec<Case>) {
    for (name, count) in THERE {
        cases.push(Case::new(Group::Scope, name, OURS, move |n| {
            batch(count, n, || UNSET.sync_scope(black_box(1), || black_box(())))
        }));
    }
    cases.push(Case::op(Group::Scope, "String", OURS, || {
        TEXT.sync_scope(black_box("a request").to_owned(), || black_box(()))
    }));
    cases.push(Case::op(Group::Scope, "named u64", OURS, || NAMED.sync_scope(black_box(1), || black_box(()))));
    cases.push(Case::op(Group::Scope, "named String", OURS, || {
        NAMED_TEXT.sync_scope(black_box("a request").to_owned(), || black_box(()))
    }));
}

fn snapshots(cases: &mut Vec<Case>, count: usize) {
    cases.push(Case::new(Group::Snapshot, values(count), OURS, move |n| {
        batch(count, n, || Snapshot::capture().sync_scope(|| black_box(())))
    }));
    cases.push(Case::new(Group::Snapshot, format!("{}, restored for good", values(count)), OURS, move |n| {
        batch(count, n, || Snapshot::capture().restore())
    }));
    cases.push(Case::new(Group::FirstSet, values(count), OURS, move |n| {
        batch(count, n, || {
            let kept = Snapshot::capture();
            KEYS[0].set(black_box(7));
            drop(kept);
        })
    }));
}

fn polls(cases: &mut Vec<Case>, count: usize) {
    cases.push(poll::case(values(count), OURS, with_values(count, || Forever.inherit())));
}

/// With a runtime, after `routines_tokio::install`.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::TaskId, "id", OURS, |n| in_routine(0, move || timed(n, routines::id))));
    cases.push(Case::new(Group::TaskId, "id, not spawned our way", OURS, |n| in_task(move || timed(n, routines::id))));
    for count in COUNTS {
        cases.push(Case::new(Group::TaskGet, values(count), OURS, move |n| {
            in_routine(count, move || timed(n, || KEYS[0].get()))
        }));
        cases.push(poll::task_case(values(count), OURS, move || with_values(count, || Forever.inherit())));
    }
    cases
        .push(Case::new(Group::TaskGet, "64 values, miss", OURS, |n| in_routine(64, move || timed(n, || UNSET.get()))));
    cases.push(Case::new(Group::TaskGet, "not spawned our way", OURS, |n| in_task(move || timed(n, || KEYS[0].get()))));
    cases.push(Case::new(Group::TaskSet, "u64", OURS, |n| {
        in_routine(1, move || batch(1, n, || KEYS[0].set(black_box(7))))
    }));
    cases.push(Case::new(Group::TaskSet, "String", OURS, |n| {
        in_routine(0, move || text(n, || TEXT.set(black_box("a request").to_owned())))
    }));
    cases.push(Case::new(Group::TaskScope, "u64", OURS, |n| {
        in_routine(0, move || timed(n, || KEYS[0].sync_scope(black_box(1), || black_box(()))))
    }));
    cases.push(Case::new(Group::TaskScope, "named u64", OURS, |n| {
        in_routine(0, move || timed(n, || NAMED.sync_scope(black_box(1), || black_box(()))))
    }));
    spawns(cases);
    jobs(cases);
}

fn spawns(cases: &mut Vec<Case>) {
    for count in [0, 1, 8, 64] {
        cases.push(Case::new(Group::Spawn, values(count), OURS, move |n| {
            block_on(async_with_values(count, spawn_and_join(n, || routines_tokio::spawn(child()))))
        }));
    }
    cases.push(Case::new(Group::Spawn, "64 values, left behind", OURS, |n| {
        block_on(async_with_values(64, spawn_and_join(n, || tokio::spawn(child().detached()))))
    }));
}

fn jobs(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Jobs, "blocking job", OURS, |n| {
        block_on(spawn_and_join(n, || routines_tokio::spawn_blocking(|| black_box(()))))
    }));
    cases.push(Case::op(Group::Jobs, "thread", OURS, || routines::thread::spawn(|| black_box(())).join().is_ok()));
}

/// On two threads.
pub(crate) const PAIRS: [PairCase; 4] = [
    PairCase { name: "id", peer: OURS, make: || body(|n| timed(n, routines::id)) },
    PairCase { name: "get", peer: OURS, make: || body(|n| batch(64, n, || KEYS[0].get())) },
    PairCase { name: "set", peer: OURS, make: || body(|n| batch(1, n, || KEYS[0].set(black_box(7)))) },
    PairCase {
        name: "scope",
        peer: OURS,
        make: || body(|n| timed(n, || KEYS[0].sync_scope(black_box(1), || black_box(())))),
    },
];

/// On two threads, each with a runtime of its own.
pub(crate) const TASK_PAIRS: [PairCase; 1] = [PairCase {
    name: "spawn + join",
    peer: OURS,
    make: || body(|n| block_on(async_with_values(8, spawn_and_join(n, || routines_tokio::spawn(child()))))),
}];

fn body(batch: impl FnMut(u64) -> Duration + 'static) -> Body {
    Box::new(batch)
}
