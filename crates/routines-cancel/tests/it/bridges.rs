//! Owns the promises of the bridges to tokio-util's tokens, both ways.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use routines::Local;
use routines_cancel::{Cause, Token};
use tokio_util::sync::CancellationToken;

use crate::support::{FAR, in_time, multi_thread, receive};

static HELD: Local<Arc<()>> = Local::new();

#[test]
fn theirs_cancels_ours() {
    in_time(|| {
        let theirs = CancellationToken::new();
        let ours = Token::following(&theirs);
        let below = ours.child();
        assert!(!ours.is_cancelled());
        theirs.cancel();
        assert!(matches!(ours.wait(), Cause::Cancelled));
        below.wait();
    });
}

#[test]
fn theirs_cancelled_before_cancels_ours_at_once() {
    let theirs = CancellationToken::new();
    theirs.cancel();
    assert!(Token::following(&theirs).is_cancelled());
    let ours = Token::following(&theirs).with_cause("too late");
    assert!(matches!(ours.cause(), Some(Cause::Cancelled)));
}

#[test]
fn following_has_the_cause_it_was_given() {
    in_time(|| {
        let theirs = CancellationToken::new();
        let ours = Token::following(&theirs).with_cause("theirs");
        theirs.cancel();
        assert_eq!(ours.wait().to_string(), "theirs");
    });
}

#[test]
fn ours_does_not_cancel_what_it_follows() {
    let theirs = CancellationToken::new();
    let ours = Token::following(&theirs);
    ours.cancel();
    assert!(!theirs.is_cancelled());
}

#[test]
fn ours_is_below_the_current_token_too() {
    let theirs = CancellationToken::new();
    let current = Token::new().child_with_timeout(FAR);
    let ours = current.sync_scope(|| Token::following(&theirs));
    assert_eq!(ours.deadline(), current.deadline());
    current.cancel_with("from above");
    assert_eq!(ours.cause().expect("cancelled").to_string(), "from above");
    let late = current.sync_scope(|| Token::following(&theirs));
    assert_eq!(late.cause().expect("born cancelled").to_string(), "from above");
}

/// Wakers are woken under whatever locks the canceller holds: nobody's callbacks run there.
#[test]
fn what_follows_is_told_by_another_thread_than_cancelled_theirs() {
    in_time(|| {
        let theirs = CancellationToken::new();
        let child = theirs.child_token();
        let followers: Vec<_> =
            (0..50).map(|at| Token::following(if at % 2 == 0 { &theirs } else { &child })).collect();
        let (tell, told) = channel();
        for ours in &followers {
            let (theirs, child, tell) = (theirs.clone(), child.clone(), tell.clone());
            let uses = move |_: &Cause| {
                theirs.child_token().cancel();
                child.cancel();
                tell.send((theirs.is_cancelled(), thread::current().id())).expect("a test");
            };
            ours.after_cancel(uses).detach();
        }
        theirs.cancel();
        for ours in &followers {
            ours.wait();
            let (cancelled, thread) = receive(&told);
            assert!(cancelled && thread != thread::current().id());
        }
    });
}

#[test]
fn theirs_may_be_cancelled_from_a_tokio_task_that_holds_ours() {
    in_time(|| {
        multi_thread().block_on(async {
            let theirs = CancellationToken::new();
            let ours = Token::following(&theirs);
            let canceller = theirs.clone();
            let task = ours.scope(async move {
                let cancelled = routines_cancel::cancelled();
                canceller.cancel();
                cancelled.await
            });
            assert!(matches!(tokio::spawn(task).await.expect("no panic"), Cause::Cancelled));
        });
    });
}

#[test]
fn ours_cancels_theirs() {
    let ours = Token::new();
    let theirs = ours.child().to_tokio();
    let direct = ours.to_tokio();
    assert!(!direct.is_cancelled());
    ours.cancel();
    assert!(direct.is_cancelled());
    // What nobody can cancel any more is not.
    assert!(!theirs.is_cancelled());
    assert!(ours.to_tokio().is_cancelled(), "and too late at once");
}

#[test]
fn theirs_cancels_neither_ours_nor_another_of_theirs() {
    let ours = Token::new();
    let (one, two) = (ours.to_tokio(), ours.to_tokio());
    one.cancel();
    assert!(!ours.is_cancelled() && !two.is_cancelled());
    ours.cancel();
    assert!(two.is_cancelled());
}

#[test]
fn a_task_waits_in_theirs_for_ours() {
    in_time(|| {
        multi_thread().block_on(async {
            let ours = Token::new().child_with_timeout(Duration::from_millis(2));
            let theirs = ours.to_tokio();
            tokio::spawn(async move { theirs.cancelled().await }).await.expect("no panic");
            assert!(ours.is_cancelled());
        });
    });
}

#[test]
fn round_trips_end() {
    in_time(|| {
        let ours = Token::new();
        let theirs = ours.to_tokio();
        let again = Token::following(&theirs);
        let circle = again.to_tokio();
        ours.cancel();
        again.wait();
        // It is woken on the thread that told `again`.
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(circle.cancelled());
    });
}

#[test]
fn to_tokio_keeps_no_values_of_the_asker() {
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    let ours = Token::new();
    let theirs = HELD.sync_scope(held, || ours.to_tokio());
    assert!(weak.upgrade().is_none());
    assert!(!theirs.is_cancelled());
}

#[test]
fn dropped_while_theirs_is_cancelled_it_neither_hangs_nor_tells() {
    in_time(|| {
        for _ in 0..1_000 {
            let theirs = CancellationToken::new();
            let ours = Token::following(&theirs);
            let canceller = std::thread::spawn(move || theirs.cancel());
            drop(ours);
            canceller.join().expect("no panic");
        }
    });
}
