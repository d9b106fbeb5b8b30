//! What a tokio task that waits for ever weighs, bare and with each peer's context.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use emit::Frame;
use fastrace::future::FutureExt as _;
use opentelemetry::context::FutureExt as _;
use routines::FutureExt as _;
use sentry_core::SentryFutureExt as _;
use tokio_inherit_task_local::FutureInheritTaskLocal as _;
use tracing::{Instrument as _, info_span};

use crate::counting::Live;
use crate::group::BARE;
use crate::peers::{
    dcontext_store, emit_frame, opentelemetry_context, ours, sentry_hub, tokio_inherit, tokio_task_local,
};
use crate::progress::Progress;
use crate::runtime;
use crate::targets::OURS;

/// How many tasks have been polled and wait.
static WAITING: AtomicU64 = AtomicU64::new(0);

/// A task that waits for ever, as small as can be.
pub(super) struct Park;

impl Future for Park {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        WAITING.fetch_add(1, Relaxed);
        Poll::Pending
    }
}

/// A parked task that holds a little state across its await, as real ones do: tokio's cells come in steps of 128 bytes, and
/// the smallest task of all sits at the edge of one.
async fn holding() {
    let state = std::hint::black_box([0_u64; 6]);
    Park.await;
    std::hint::black_box(state);
}

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// Someone who spawns a parked task, in whatever context he wants to carry.
struct Parked {
    peer: &'static str,
    carrying: &'static str,
    /// Spawns so many of them.
    spawn: fn(u64) -> Boxed,
}

macro_rules! parked {
    ($peer:expr, $carrying:expr, $spawn:expr) => {
        Parked { peer: $peer, carrying: $carrying, spawn: $spawn }
    };
}

/// The table, measured with so many tasks for each row.
pub(super) fn markdown(tasks: u64) -> String {
    let rows = rows();
    let mut progress = Progress::new("parked tasks", rows.len());
    let mut text = format!(
        "### A parked tokio task\n\nThe mean of {tasks} tasks on a current-thread runtime; what a row adds to the bare task is in front.\n\n\
         | peer | carrying | bytes | allocations | bytes in all |\n| --- | --- | ---: | ---: | ---: |\n"
    );
    let bare = weigh(&rows[0], tasks);
    for (index, row) in rows.iter().enumerate() {
        let (bytes, blocks) = weigh(row, tasks);
        let (more_bytes, more_blocks) =
            if row.peer == BARE { (bytes, blocks) } else { (bytes - bare.0, blocks - bare.1) };
        let sign = if row.peer == BARE { "" } else { "+" };
        let peer = row.peer;
        text +=
            &format!("| {peer} | {} | {sign}{more_bytes:.0} | {sign}{more_blocks:.1} | {bytes:.0} |\n", row.carrying);
        progress.at(index + 1);
    }
    text + "\n"
}

/// Bytes and allocations of one task.
fn weigh(row: &Parked, tasks: u64) -> (f64, f64) {
    let runtime = runtime::build();
    // The runtime's queue grows with the tasks that were ever ready at once; that is not the tasks' weight.
    runtime.block_on(async {
        let done: Vec<_> = (0..tasks).map(|_| tokio::spawn(runtime::child())).collect();
        for task in done {
            task.await.expect("children do not panic");
        }
    });
    WAITING.store(0, Relaxed);
    let before = Live::now();
    runtime.block_on((row.spawn)(tasks));
    let weight = Live::since(before);
    (weight.bytes as f64 / tasks as f64, weight.blocks as f64 / tasks as f64)
}

/// Spawns so many tasks, and ends when all of them wait.
pub(super) async fn all(tasks: u64, mut spawn: impl FnMut()) {
    for _ in 0..tasks {
        spawn();
    }
    while WAITING.load(Relaxed) < tasks {
        tokio::task::yield_now().await;
    }
}

fn rows() -> Vec<Parked> {
    let mut rows = vec![
        parked!(BARE, "nothing", |n| Box::pin(all(n, || drop(tokio::spawn(Park))))),
        parked!("bare, 48 bytes of state", "nothing", |n| Box::pin(all(n, || drop(tokio::spawn(holding()))))),
        parked!("by hand", "an Arc moved in", |n| {
            let shared = Arc::new([0_u64; 64]);
            Box::pin(all(n, move || {
                let shared = shared.clone();
                drop(tokio::spawn(async move {
                    Park.await;
                    drop(shared);
                }));
            }))
        }),
    ];
    rows.extend(our_own());
    rows.extend(own_values());
    rows.extend(inherited());
    rows.extend(spans());
    rows
}

/// Ours: spawned our way, with what the spawner has.
fn our_own() -> [Parked; 6] {
    [
        parked!(OURS, "nothing bound", |n| ours_inheriting(n, 0)),
        parked!(OURS, "1 inherited value", |n| ours_inheriting(n, 1)),
        parked!(OURS, "8 inherited values", |n| ours_inheriting(n, 8)),
        parked!(OURS, "64 inherited values", |n| ours_inheriting(n, 64)),
        parked!(OURS, "8 inherited values, 48 bytes of state", |n| {
            let spawning = all(n, || drop(routines_tokio::spawn(holding())));
            Box::pin(ours::async_with_values(8, spawning))
        }),
        parked!(OURS, "64 values left behind", |n| {
            let spawning = all(n, || drop(tokio::spawn(Park.detached())));
            Box::pin(ours::async_with_values(64, spawning))
        }),
    ]
}

fn ours_inheriting(tasks: u64, values: usize) -> Boxed {
    let spawning = all(tasks, || drop(routines_tokio::spawn(Park)));
    Box::pin(ours::async_with_values(values, spawning))
}

/// Peers whose child holds values of its own.
fn own_values() -> [Parked; 6] {
    [
        parked!("tokio task_local", "1 value", |n| Box::pin(all(n, || drop(tokio::spawn(tokio_task_local::one(
            Park
        )))))),
        parked!("tokio task_local", "8 values", |n| {
            Box::pin(all(n, || drop(tokio::spawn(tokio_task_local::eight(Park)))))
        }),
        parked!("opentelemetry", "1 value of its own", |n| {
            Box::pin(all(n, || drop(tokio::spawn(Park.with_context(opentelemetry_context::context(1))))))
        }),
        parked!("opentelemetry", "8 values of its own", |n| {
            Box::pin(all(n, || drop(tokio::spawn(Park.with_context(opentelemetry_context::context(8))))))
        }),
        parked!("emit", "1 value of its own", |n| {
            Box::pin(all(n, || drop(tokio::spawn(emit_frame::frame(1).in_future(Park)))))
        }),
        parked!("emit", "8 values of its own", |n| {
            Box::pin(all(n, || drop(tokio::spawn(emit_frame::frame(8).in_future(Park)))))
        }),
    ]
}

/// Peers whose child has what its parent has.
fn inherited() -> [Parked; 8] {
    [
        parked!("opentelemetry", "8 inherited values", |n| {
            let spawning = all(n, || drop(tokio::spawn(Park.with_current_context())));
            Box::pin(spawning.with_context(opentelemetry_context::context(8)))
        }),
        parked!("emit", "8 inherited values", |n| {
            let spawning = all(n, || drop(tokio::spawn(Frame::current(emit::ctxt()).in_future(Park))));
            Box::pin(emit_frame::frame(8).in_future(spawning))
        }),
        parked!("tokio-inherit-task-local", "1 inherited value", |n| inheriting(n, 1)),
        parked!("tokio-inherit-task-local", "8 inherited values", |n| inheriting(n, 8)),
        parked!("dcontext", "1 inherited value, forked", |n| forking(n, 1)),
        parked!("dcontext", "8 inherited values, forked", |n| forking(n, 8)),
        parked!("dcontext", "1 inherited value, captured", |n| capturing(n, 1)),
        parked!("dcontext", "8 inherited values, captured", |n| capturing(n, 8)),
    ]
}

fn inheriting(tasks: u64, values: usize) -> Boxed {
    let spawning = all(tasks, || drop(tokio::spawn(Park.inherit_task_local())));
    let mut spawning = Some(Box::pin(spawning));
    let wrapped = tokio_inherit::with_values(values, || spawning.take().map(|future| future.inherit_task_local()));
    Box::pin(wrapped.expect("made once"))
}

fn forking(tasks: u64, values: usize) -> Boxed {
    use dcontext::ContextFutureExt as ext;
    let spawning = all(tasks, || drop(tokio::spawn(ext::fork(Park))));
    Box::pin(ext::with(spawning, dcontext_store::store(values)))
}

fn capturing(tasks: u64, values: usize) -> Boxed {
    use dcontext::ContextFutureExt as ext;
    let spawning = all(tasks, || drop(tokio::spawn(ext::capture(Park))));
    Box::pin(ext::with(spawning, dcontext_store::store(values)))
}

/// Peers whose child has a span or a hub.
fn spans() -> [Parked; 4] {
    [
        parked!("tracing", "the current span", |n| {
            let spawning = all(n, || drop(tokio::spawn(Park.in_current_span())));
            Box::pin(spawning.instrument(info_span!("request")))
        }),
        parked!("tracing", "a new child span", |n| {
            let spawning = all(n, || drop(tokio::spawn(Park.instrument(info_span!("child")))));
            Box::pin(spawning.instrument(info_span!("request")))
        }),
        parked!("fastrace", "a new child span", |n| {
            let child = || fastrace::Span::enter_with_local_parent("child");
            let spawning = all(n, move || drop(tokio::spawn(Park.in_span(child()))));
            let root = fastrace::Span::root("request", fastrace::prelude::SpanContext::random());
            Box::pin(spawning.in_span(root))
        }),
        parked!("sentry-core", "a fresh hub", |n| {
            Box::pin(all(n, || drop(tokio::spawn(Park.bind_hub(sentry_hub::fresh())))))
        }),
    ]
}
