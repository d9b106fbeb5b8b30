//! tokio's ways to end work: `CancellationToken` of `tokio-util`, which is handed on by hand, and `tokio::time::sleep`.

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::group::Group;
use crate::measure::{Case, timed};
use crate::peers::ours_cancel::{FAR, WIDE, per_child};
use crate::runtime::{block_on, in_task, in_task_of, spawn_and_join, with_timers};

const PEER: &str = "tokio-util CancellationToken";

fn held(n: u64) -> Duration {
    let token = CancellationToken::new();
    timed(n, || black_box(&token).is_cancelled())
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Cancel, "is_cancelled, a token held", PEER, held));
    cases.push(Case::op(Group::Cancel, "root: create, drop", PEER, CancellationToken::new));
    cases.push(Case::op(Group::Cancel, "root: create, cancel, drop", PEER, || CancellationToken::new().cancel()));
    let parent = CancellationToken::new();
    cases.push({
        let parent = parent.clone();
        Case::op(Group::Cancel, "child: create, drop", PEER, move || parent.child_token())
    });
    cases.push(Case::op(Group::Cancel, "child: create, cancel, drop", PEER, move || parent.child_token().cancel()));
    cases.push(Case::new(Group::Cancel, "a tree of 1000 children: cancel, per child", PEER, |n| per_child(n, tree)));
}

fn tree() -> Duration {
    let root = CancellationToken::new();
    let children: Vec<CancellationToken> = (0..WIDE).map(|_| root.child_token()).collect();
    let start = Instant::now();
    root.cancel();
    let took = start.elapsed();
    drop(children);
    took
}

/// With a runtime.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::TaskCancel, "is_cancelled, a token held", PEER, |n| in_task(move || held(n))));
    let timers = with_timers();
    cases.push(Case::new(Group::TaskCancel, "far deadline: create, drop", "tokio sleep, polled once", move |n| {
        in_task_of(timers, move || timed(n, sleep_once))
    }));
    cases.push(Case::new(Group::CancelSpawn, "a child token moved by hand", PEER, |n| {
        let parent = CancellationToken::new();
        block_on(spawn_and_join(n, move || {
            let token = parent.child_token();
            tokio::spawn(async move {
                black_box(token.is_cancelled());
            })
        }))
    }));
}

/// A timer is set by the first poll.
fn sleep_once() -> bool {
    let mut sleep = pin!(tokio::time::sleep(black_box(FAR)));
    sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
}
