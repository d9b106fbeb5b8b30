//! What runtime hooks cost: `bench hooks`, in a build with `--cfg tokio_unstable`, whose tasks are larger and are measured apart.

use std::hint::black_box;
use std::time::{Duration, Instant};

use routines::Local;
use routines_tokio::Flow;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use crate::group::{BARE, Group};
use crate::measure::{self, Body, Case, Effort, timed};
use crate::pair::{self, PairCase};
use crate::peers::floors;
use crate::peers::ours::{async_with_values, first_key};
use crate::rows::{self, Row};
use crate::runtime::{child, spawn_and_join};
use crate::targets::OURS;

static NAMED: Local<u64> = Local::new().named("bench_hooked");

/// Measures everything there is to hooks.
pub(crate) fn run(effort: Effort) -> Vec<Row> {
    routines_tokio::install();
    let mut cases = Vec::new();
    floors::yardsticks(&mut cases);
    spawns(&mut cases);
    polls(&mut cases);
    reads(&mut cases);
    let (measured, sticks) = rows::of_cases(&measure::measure(cases, effort, "1 of 2, hooks"));
    let mut all: Vec<Row> = measured.into_iter().filter(|row| row.group != Group::Floors).collect();
    let pairs = [
        PairCase { name: "spawn + join, a runtime each", peer: BARE, make: bare_pair },
        PairCase { name: "spawn + join, a runtime each", peer: OURS, make: hooked_pair },
        PairCase { name: "a value read in a task, a runtime each", peer: OURS, make: read_pair },
    ];
    all.extend(rows::of_pairs(&pair::measure(&pairs, effort, "2 of 2, two runtimes on two threads"), sticks));
    all
}

/// Runtimes live as long as the process, as those of the other tables.
fn leak(mut builder: Builder, flow: Option<Flow>) -> &'static Runtime {
    if let Some(flow) = flow {
        flow.install(&mut builder);
    }
    Box::leak(Box::new(builder.build().expect("a runtime without drivers needs nothing of the system")))
}

fn bare() -> &'static Runtime {
    leak(Builder::new_current_thread(), None)
}

/// A runtime with hooks.
pub(crate) fn hooked() -> &'static Runtime {
    leak(Builder::new_current_thread(), Some(Flow::new()))
}

/// One with hooks that do nothing: what tokio itself charges.
#[cfg(tokio_unstable)]
fn no_op() -> &'static Runtime {
    let mut builder = Builder::new_current_thread();
    builder.on_task_spawn(|_| ()).on_task_terminate(|_| ());
    leak(builder, None)
}

#[cfg(not(tokio_unstable))]
fn no_op() -> &'static Runtime {
    bare()
}

fn spawns(cases: &mut Vec<Case>) {
    let spawn = |runtime: &'static Runtime, values: usize| {
        move |n| runtime.block_on(async_with_values(values, spawn_and_join(n, || tokio::spawn(child()))))
    };
    cases.push(Case::new(Group::HookSpawn, "64 values", BARE, spawn(bare(), 64)));
    cases.push(Case::new(Group::HookSpawn, "64 values", "tokio, empty hooks", spawn(no_op(), 64)));
    let hooked = hooked();
    for (name, values) in [("nothing to inherit", 0), ("1 value", 1), ("8 values", 8), ("64 values", 64)] {
        cases.push(Case::new(Group::HookSpawn, name, OURS, spawn(hooked, values)));
    }
    cases.push(Case::new(Group::HookSpawn, "64 values, wrapped", OURS, move |n| {
        hooked.block_on(async_with_values(64, spawn_and_join(n, || routines_tokio::spawn(child()))))
    }));
    for (peer, flow) in [(BARE, None), (OURS, Some(Flow::new()))] {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2);
        let runtime = leak(builder, flow);
        cases.push(Case::new(Group::HookWorkers, "64 values", peer, move |n| {
            runtime.block_on(async_with_values(64, two_spawners(n)))
        }));
    }
}

/// Two tasks, each on a worker, spawn and join half each.
async fn two_spawners(n: u64) -> Duration {
    let start = Instant::now();
    let half = || tokio::spawn(async move { spawn_and_join(n.div_ceil(2), || tokio::spawn(child())).await });
    let (one, two) = (half(), half());
    one.await.expect("children do not panic");
    two.await.expect("children do not panic");
    start.elapsed()
}

fn polls(cases: &mut Vec<Case>) {
    // Two tasks in turn: one alone would be polled out of tokio's one-task slot.
    let polls = |runtime: &'static Runtime| {
        move |n: u64| {
            runtime.block_on(async_with_values(8, async move {
                let turns = || {
                    tokio::spawn(async move {
                        for _ in 0..n.div_ceil(2) {
                            yield_now().await
                        }
                    })
                };
                let start = Instant::now();
                let (one, two) = (turns(), turns());
                one.await.expect("turns do not panic");
                two.await.expect("turns do not panic");
                start.elapsed()
            }))
        }
    };
    cases.push(Case::new(Group::HookPoll, "8 values", BARE, polls(bare())));
    cases.push(Case::new(Group::HookPoll, "8 values", "tokio, empty hooks", polls(no_op())));
    cases.push(Case::new(Group::HookPoll, "8 values", OURS, polls(hooked())));
}

fn in_hooked_task(runtime: &'static Runtime, batch: impl FnOnce() -> Duration + Send + 'static) -> Duration {
    runtime
        .block_on(async_with_values(8, async { tokio::spawn(async { batch() }).await.expect("batches do not panic") }))
}

fn reads(cases: &mut Vec<Case>) {
    let runtime = hooked();
    let mut add = |name: &'static str, batch: fn(u64) -> Duration| {
        cases.push(Case::new(Group::HookRead, name, OURS, move |n| in_hooked_task(runtime, move || batch(n))));
    };
    add("id", |n| timed(n, routines::id));
    add("get", |n| timed(n, || first_key().get()));
    add("set", |n| timed(n, || first_key().set(black_box(7))));
    add("scope", |n| timed(n, || first_key().sync_scope(black_box(1), || black_box(()))));
    add("the named values, for a line", |n| {
        NAMED.sync_scope(1, || timed(n, || routines::for_each_named(|_, value| _ = black_box(value))))
    });
}

fn bare_pair() -> Body {
    let runtime = bare();
    Box::new(move |n| runtime.block_on(async_with_values(8, spawn_and_join(n, || tokio::spawn(child())))))
}

fn hooked_pair() -> Body {
    let runtime = hooked();
    Box::new(move |n| runtime.block_on(async_with_values(8, spawn_and_join(n, || tokio::spawn(child())))))
}

fn read_pair() -> Body {
    let runtime = hooked();
    Box::new(move |n| in_hooked_task(runtime, move || timed(n, || first_key().get())))
}
