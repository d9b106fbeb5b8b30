//! Owns the ways to start work: the rows of the table, each with a test per promise.

use std::time::Instant;

use routines::{FutureExt, Snapshot};
use routines_cancel::{Token, cause, check, deadline, is_cancelled, remaining, with_cause};

use crate::support::{FAR, current_thread, multi_thread};

type Job = Box<dyn FnOnce() + Send>;

/// Runs the job in something started with the token as the current one, and waits for its end.
type Way = fn(&Token, Job);

fn parents_cancel_reaches_it(way: Way) {
    let parent = Token::new();
    let above = parent.clone();
    let job = move || {
        assert!(check().is_ok() && cause().is_none() && !is_cancelled());
        above.cancel_with("why");
        assert_eq!(check().expect_err("it is cancelled").to_string(), "why");
        assert!(is_cancelled());
    };
    way(&parent, Box::new(job));
    assert!(parent.is_cancelled(), "the job ran");
}

fn its_cancel_does_not_reach_its_parent(way: Way) {
    let parent = Token::new();
    let (own, above) = (parent.child(), parent.clone());
    let note = own.clone();
    let job = move || {
        assert!(Token::current().expect("a token of its own").cancel_with("mine"));
        assert_eq!(cause().expect("it is cancelled").to_string(), "mine");
        assert!(!above.is_cancelled());
        note.cancel();
    };
    way(&parent, Box::new(job));
    assert!(own.is_cancelled() && !parent.is_cancelled());
}

fn its_own_token_stays_the_same(way: Way) {
    let parent = Token::new();
    let note = parent.clone();
    let job = move || {
        let first = Token::current().expect("a token");
        Token::current().expect("a token").cancel();
        assert!(first.is_cancelled());
        note.cancel();
    };
    way(&parent, Box::new(job));
    assert!(parent.is_cancelled());
}

fn what_it_starts_is_below_it(way: Way) {
    let parent = Token::new();
    let note = parent.clone();
    let job = move || {
        let child = routines::thread::spawn(|| Token::current().expect("a token")).join().expect("no panic");
        assert!(!child.is_cancelled());
        Token::current().expect("a token").cancel_with("from the middle");
        assert_eq!(child.cause().expect("cancelled").to_string(), "from the middle");
        note.cancel();
    };
    way(&parent, Box::new(job));
    assert!(parent.is_cancelled());
}

fn it_has_its_parents_deadline(way: Way) {
    let at = Instant::now() + FAR;
    let parent = Token::new().child_with_deadline(at);
    let note = parent.clone();
    let job = move || {
        assert_eq!(deadline(), Some(at));
        assert!(remaining() <= Some(FAR));
        assert_eq!(routines::thread::spawn(deadline).join().expect("no panic"), Some(at));
        note.cancel();
    };
    way(&parent, Box::new(job));
    assert!(parent.is_cancelled());
}

fn started_too_late_it_is_born_cancelled(way: Way) {
    let parent = with_cause("before");
    parent.cancel();
    let (ran, seen) = std::sync::mpsc::channel();
    let job = move || ran.send((check(), Token::current().and_then(|token| token.cause()))).expect("a receiver");
    way(&parent, Box::new(job));
    let (checked, told) = seen.recv().expect("the job ran");
    assert_eq!(checked.expect_err("born cancelled").to_string(), "before");
    assert_eq!(told.expect("born cancelled").to_string(), "before");
}

fn detached_is_cut_off(way: Way) {
    let parent = Token::new().child_with_timeout(FAR);
    let above = parent.clone();
    let job = move || {
        assert!(Token::current().is_none());
        assert_eq!(deadline(), None);
        above.cancel();
        assert!(check().is_ok() && !is_cancelled());
    };
    way(&parent, Box::new(job));
    assert!(parent.is_cancelled(), "the job ran");
}

macro_rules! ways {
    ($($way:ident: $inherit:expr, $detached:expr;)+) => {$(
        mod $way {
            use super::*;

            const INHERIT: Way = $inherit;
            const DETACHED: Way = $detached;

            ways!(@each INHERIT
                parents_cancel_reaches_it
                its_cancel_does_not_reach_its_parent
                its_own_token_stays_the_same
                what_it_starts_is_below_it
                it_has_its_parents_deadline
                started_too_late_it_is_born_cancelled
            );
            ways!(@each DETACHED detached_is_cut_off);
        }
    )+};
    (@each $which:ident $($promise:ident)+) => {$(
        #[test]
        fn $promise() {
            super::$promise($which);
        }
    )+};
}

ways! {
    thread:
        |token, job| token.sync_scope(|| routines::thread::spawn(job)).join().expect("no panic"),
        |token, job| token.sync_scope(|| routines::thread::spawn_detached(job)).join().expect("no panic");
    scoped_thread:
        |token, job| token.sync_scope(|| routines::thread::scope(|scope| {
            scope.spawn(job).join().expect("no panic");
        })),
        |token, job| token.sync_scope(|| routines::thread::Builder::new().detached().spawn(job))
            .expect("a thread").join().expect("no panic");
    bound_closure:
        |token, job| std::thread::spawn(token.sync_scope(|| routines::bind(job))).join().expect("no panic"),
        |_, job| std::thread::spawn(job).join().expect("no panic");
    tokio_task_here:
        |token, job| current_thread().block_on(token.scope(async {
            routines_tokio::spawn(async { job() }).await.expect("no panic");
        })),
        |token, job| current_thread().block_on(token.scope(async {
            routines_tokio::spawn_detached(async { job() }).await.expect("no panic");
        }));
    tokio_task_elsewhere:
        |token, job| multi_thread().block_on(token.scope(async {
            routines_tokio::spawn(async { job() }).await.expect("no panic");
        })),
        |token, job| multi_thread().block_on(token.scope(async {
            routines_tokio::spawn_detached(async { job() }).await.expect("no panic");
        }));
    tokio_blocking_job:
        |token, job| multi_thread().block_on(token.scope(async {
            routines_tokio::spawn_blocking(job).await.expect("no panic");
        })),
        |token, job| multi_thread().block_on(token.scope(async {
            routines_tokio::spawn_blocking_detached(job).await.expect("no panic");
        }));
    inheriting_smol_task:
        |token, job| smol::block_on(token.scope(async { smol::spawn(async { job() }.inherit()).await })),
        |token, job| smol::block_on(token.scope(async { smol::spawn(async { job() }.detached()).await }));
}

#[test]
fn a_bare_task_has_no_token() {
    routines_tokio::install();
    multi_thread().block_on(Token::new().scope(async {
        assert!(Token::current().is_some());
        let bare = tokio::spawn(async { Token::current().is_none() });
        assert!(bare.await.expect("no panic"));
    }));
}

#[test]
fn a_snapshot_has_the_token_of_where_it_was_taken() {
    let token = Token::new();
    let snapshot = token.sync_scope(Snapshot::capture);
    let elsewhere = snapshot.clone();
    let seen = std::thread::spawn(move || elsewhere.sync_scope(Token::current)).join().expect("no panic");
    token.cancel_with("known");
    assert_eq!(seen.expect("a token").cause().expect("cancelled").to_string(), "known");
    assert_eq!(snapshot.sync_scope(cause).expect("cancelled").to_string(), "known");
    assert!(!is_cancelled());
}

#[test]
fn a_scope_awaited_in_place_has_the_very_token() {
    let token = Token::new();
    smol::block_on(token.scope(async {
        Token::current().expect("a token").cancel_with("in here");
        assert!(is_cancelled());
    }));
    assert_eq!(token.cause().expect("cancelled").to_string(), "in here");
}

#[test]
fn a_scope_sent_elsewhere_has_the_very_token() {
    let token = Token::new();
    let scope = token.scope(async { Token::current().expect("a token").cancel() });
    assert!(multi_thread().block_on(async { tokio::spawn(scope).await }).expect("no panic"));
    assert!(token.is_cancelled());
}

#[test]
fn scopes_nest_and_end() {
    let (outer, inner) = (Token::new(), Token::new());
    outer.sync_scope(|| {
        inner.sync_scope(|| {
            outer.cancel();
            assert!(!is_cancelled(), "a token of its own is below nothing");
        });
        assert!(is_cancelled());
    });
    assert!(!is_cancelled() && Token::current().is_none());
}

#[test]
fn the_makers_child_is_below_its_own_token() {
    let outer = Token::new();
    let made = outer.sync_scope(|| {
        let made = [
            routines_cancel::with_cancel(),
            routines_cancel::with_timeout(FAR),
            routines_cancel::with_deadline(Instant::now() + FAR),
            with_cause("unused"),
        ];
        made.map(|token| (token.deadline().is_some(), token))
    });
    outer.cancel_with("from above");
    for (_, token) in &made {
        assert_eq!(token.cause().expect("cancelled").to_string(), "from above");
    }
    assert_eq!(made.map(|(has, _)| has), [false, true, true, false]);
}

#[test]
fn with_nothing_bound_nothing_is_cancelled() {
    assert!(check().is_ok() && !is_cancelled() && cause().is_none());
    assert!(deadline().is_none() && remaining().is_none() && Token::current().is_none());
    let made = routines_cancel::with_cancel();
    assert!(made.cancel());
    assert!(check().is_ok() && !is_cancelled());
}
