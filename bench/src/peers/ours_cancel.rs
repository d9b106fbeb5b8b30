//! `routines-cancel`: asking, making, cancelling, and spawning below a deadline.

use std::hint::black_box;
use std::time::{Duration, Instant};

use routines_cancel::{Token, check, is_cancelled, with_cancel, with_timeout};

use crate::group::{BARE, Group};
use crate::measure::{Case, timed};
use crate::runtime::{block_on, child, in_task, spawn_and_join};
use crate::targets::OURS;

/// So far away that no deadline of a case ever comes.
pub(crate) const FAR: Duration = Duration::from_secs(3600);

/// How wide the tree is that is cancelled.
pub(crate) const WIDE: usize = 1_000;

/// A batch below a token, as a request's code is.
fn below<R>(n: u64, op: impl FnMut() -> R) -> Duration {
    with_cancel().sync_scope(|| timed(n, op))
}

/// A batch below a token while another one, which is not above it, is cancelled and still held.
fn below_beside_cancelled<R>(n: u64, op: impl FnMut() -> R) -> Duration {
    let other = Token::new();
    other.cancel();
    let took = below(n, op);
    drop(other);
    took
}

/// A case: its name, and a batch of so many operations.
type Asking = (&'static str, fn(u64) -> Duration);

/// The ways to ask.
const ASKING: [Asking; 6] = [
    ("check, nothing cancelled", |n| below(n, || check().is_ok())),
    ("check, something else cancelled", |n| below_beside_cancelled(n, || check().is_ok())),
    ("is_cancelled, something else cancelled", |n| below_beside_cancelled(n, is_cancelled)),
    ("check, no token bound, something else cancelled", |n| {
        let other = Token::new();
        other.cancel();
        timed(n, || check().is_ok())
    }),
    ("check, a token held", |n| held(n, |token| token.check().is_ok())),
    ("is_cancelled, a token held", |n| held(n, Token::is_cancelled)),
];

fn held(n: u64, mut ask: impl FnMut(&Token) -> bool) -> Duration {
    let token = Token::new();
    timed(n, || ask(black_box(&token)))
}

/// Without a runtime, and without deadlines: the first one would start a thread.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    for (name, batch) in ASKING {
        cases.push(Case::new(Group::Cancel, name, OURS, batch));
    }
    let parent = Token::new();
    cases.push(Case::op(Group::Cancel, "root: create, drop", OURS, Token::new));
    cases.push(Case::op(Group::Cancel, "root: create, cancel, drop", OURS, || Token::new().cancel()));
    cases.push({
        let parent = parent.clone();
        Case::op(Group::Cancel, "child: create, drop", OURS, move || parent.child())
    });
    cases.push(Case::op(Group::Cancel, "child: create, cancel, drop", OURS, move || parent.child().cancel()));
    cases.push(Case::new(Group::Cancel, "child of the current token: create, drop", OURS, |n| below(n, with_cancel)));
    cases.push(Case::new(Group::Cancel, "a tree of 1000 children: cancel, per child", OURS, |n| per_child(n, tree)));
}

fn tree() -> Duration {
    let root = Token::new();
    let children: Vec<Token> = (0..WIDE).map(|_| root.child()).collect();
    let start = Instant::now();
    root.cancel();
    let took = start.elapsed();
    drop(children);
    took
}

/// How long `n` children take, by as many whole trees as hold them.
pub(crate) fn per_child(n: u64, tree: impl FnMut() -> Duration) -> Duration {
    let count = n.div_ceil(WIDE as u64);
    let took: Duration = std::iter::repeat_with(tree).take(count as usize).sum();
    took.mul_f64(n as f64 / (count * WIDE as u64) as f64)
}

/// With a runtime.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    for (name, batch) in ASKING {
        cases.push(Case::new(Group::TaskCancel, name, OURS, move |n| in_task(move || batch(n))));
    }
    cases.push(Case::new(Group::TaskCancel, "child of the current token: create, drop", OURS, |n| {
        in_task(move || below(n, with_cancel))
    }));
    cases.push(Case::new(Group::TaskCancel, "far deadline: create, drop", OURS, |n| {
        in_task(move || below(n, || with_timeout(black_box(FAR))))
    }));
    cases.push(Case::new(Group::TaskCancel, "deadline later than the current one: create, drop", OURS, |n| {
        in_task(move || with_timeout(FAR).sync_scope(|| timed(n, || with_timeout(black_box(FAR * 2)))))
    }));
    spawns(cases);
}

fn spawns(cases: &mut Vec<Case>) {
    let mut add = |name, peer, batch: fn(u64) -> Duration| cases.push(Case::new(Group::CancelSpawn, name, peer, batch));
    add("nothing bound", BARE, |n| block_on(children(n)));
    add("a token", OURS, |n| block_on(with_cancel().scope(children(n))));
    add("a deadline", OURS, |n| block_on(with_timeout(FAR).scope(children(n))));
    add("a deadline, the child checks", OURS, |n| {
        block_on(with_timeout(FAR).scope(spawn_and_join(n, || {
            routines_tokio::spawn(async {
                black_box(check().is_ok());
            })
        })))
    });
    add("a deadline, the child makes a token", OURS, |n| {
        block_on(with_timeout(FAR).scope(spawn_and_join(n, || {
            routines_tokio::spawn(async {
                black_box(with_cancel());
            })
        })))
    });
}

async fn children(n: u64) -> Duration {
    spawn_and_join(n, || routines_tokio::spawn(child())).await
}
