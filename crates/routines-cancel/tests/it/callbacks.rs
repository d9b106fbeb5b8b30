//! Owns the promises of callbacks: where they run, what they may do, how they are taken back.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use routines::Local;
use routines_cancel::{Cause, Token, after_cancel, cause, check, deadline, is_cancelled};

use crate::support::{FAR, Log, OnDrop, fall, in_time, receive};

static USER: Local<&str> = Local::new();

#[test]
fn it_runs_on_the_thread_that_cancels_before_cancel_returns() {
    let token = Token::new();
    let log = Log::default();
    let note = log.clone();
    token.after_cancel(move |cause| note.add((cause.to_string(), thread::current().id()))).detach();
    token.cancel_with("why");
    assert_eq!(log.entries(), [("why".to_owned(), thread::current().id())]);
}

#[test]
fn too_late_it_runs_at_once() {
    let token = Token::new();
    token.cancel_with("before");
    let log = Log::default();
    let note = log.clone();
    let stop = token.after_cancel(move |cause| note.add(cause.to_string()));
    assert_eq!(log.entries(), ["before"]);
    assert!(!stop.stop());
}

#[test]
fn it_is_told_of_a_deadline_on_another_thread() {
    let (tell, told) = channel();
    let token = Token::new().child_with_timeout(Duration::from_millis(1));
    let _kept =
        token.after_cancel(move |cause| tell.send((cause.is_deadline(), thread::current().id())).expect("a test"));
    let (deadline, thread) = receive(&told);
    assert!(deadline && thread != thread::current().id());
}

#[test]
fn it_may_do_anything_with_the_token_that_calls_it() {
    in_time(|| {
        let token = Token::new().child();
        let (mine, log) = (token.clone(), Log::default());
        let (child, below) = (token.child(), log.clone());
        let other = child.after_cancel(move |_| below.add("below"));
        let note = log.clone();
        let stop = token.after_cancel(move |_| {
            assert!(mine.is_cancelled() && !mine.cancel());
            assert!(mine.child().is_cancelled() && mine.child_with_timeout(FAR).is_cancelled());
            let late = note.clone();
            assert!(!mine.after_cancel(move |_| late.add("late")).stop());
            assert!(child.is_cancelled() && !other.stop(), "all below has ended before anybody is told");
            mine.wait();
            smol::block_on(mine.cancelled());
            drop(mine);
            note.add("all");
        });
        token.cancel();
        assert_eq!(log.entries(), ["late", "all", "below"]);
        assert!(!stop.stop());
    });
}

#[test]
fn it_may_cancel_others_which_tell_it_back() {
    in_time(|| {
        let (one, two) = (Token::new(), Token::new());
        let (first, second) = (one.clone(), two.clone());
        one.after_cancel(move |cause| assert!(second.cancel_with(cause.clone()))).detach();
        two.after_cancel(move |_| assert!(!first.cancel())).detach();
        one.cancel_with("round");
        assert_eq!(two.cause().expect("cancelled").to_string(), "round");
    });
}

#[test]
fn it_sees_the_values_of_who_registered_it_and_is_not_cancelled() {
    let log = Log::default();
    let note = log.clone();
    let token = Token::new().child_with_timeout(FAR);
    let register = || {
        after_cancel(move |_| {
            let child = routines::thread::spawn(|| (USER.get(), is_cancelled())).join().expect("no panic");
            assert_eq!(child, (Some("ada"), false));
            assert!(Token::current().is_none() && deadline().is_none());
            note.add((USER.get(), is_cancelled(), cause().is_none()));
        })
        .detach();
    };
    USER.sync_scope("ada", || token.sync_scope(register));
    USER.sync_scope("bob", || token.cancel());
    assert_eq!(log.entries(), [(Some("ada"), false, true)]);
}

#[test]
fn registered_too_late_it_is_not_cancelled_either() {
    let token = Token::new();
    token.cancel();
    let log = Log::default();
    let note = log.clone();
    token.sync_scope(|| after_cancel(move |_| note.add(is_cancelled())).detach());
    assert_eq!(log.entries(), [false]);
}

#[test]
fn a_routines_callback_hears_of_its_own_token_made_later() {
    let token = Token::new();
    let heard = token.sync_scope(|| {
        let child = routines::thread::spawn(|| {
            let log = Log::default();
            let note = log.clone();
            let _kept = after_cancel(move |cause| note.add(cause.to_string()));
            Token::current().expect("a token").cancel_with("itself");
            log.entries()
        });
        child.join().expect("no panic")
    });
    assert_eq!(heard, ["itself"]);
}

/// Whatever a panic carries: here something that panics again when it is dropped.
fn fall_twice() -> ! {
    std::panic::resume_unwind(Box::new(OnDrop(|| fall())))
}

#[test]
fn one_that_panics_keeps_nobody_from_being_told() {
    let token = Token::new();
    let log = Log::default();
    for at in 0..6 {
        let note = log.clone();
        let panics = move |_: &Cause| {
            note.add(at);
            match at % 3 {
                0 => fall(),
                1 => fall_twice(),
                _ => {}
            }
        };
        token.after_cancel(panics).detach();
    }
    let child = token.child();
    assert!(token.cancel());
    assert_eq!(log.entries(), [0, 1, 2, 3, 4, 5]);
    assert!(child.is_cancelled());
}

#[test]
fn one_that_panics_for_a_deadline_ends_no_other_deadline() {
    let token = Token::new().child_with_timeout(Duration::from_millis(1));
    token.after_cancel(|_| fall_twice()).detach();
    assert!(token.wait().is_deadline());
    let later = Token::new().child_with_timeout(Duration::from_millis(1));
    assert!(in_time(move || later.wait()).is_deadline());
}

#[test]
fn what_panics_when_it_is_dropped_keeps_nobody_from_being_told() {
    let token = Token::new();
    let falls = OnDrop(|| fall());
    let _kept = token.after_cancel(move |_| _ = &falls);
    let told = token.child();
    token.cancel();
    assert!(told.is_cancelled());
    // Those that were never called.
    let token = Token::new();
    for _ in 0..3 {
        let falls = OnDrop(|| fall());
        token.after_cancel(move |_| _ = &falls).detach();
    }
    drop(token);
}

#[test]
fn what_it_holds_may_use_the_token_when_it_is_dropped() {
    in_time(|| {
        let uses = |token: &Token| {
            let token = token.clone();
            OnDrop(move || {
                let _child = token.child();
                token.after_cancel(|_| {}).stop();
                token.cancel();
            })
        };
        // Taken back.
        let token = Token::new();
        let held = uses(&token);
        drop(token.after_cancel(move |_| _ = &held));
        assert!(token.is_cancelled(), "it was dropped");
        // Let go with the token.
        let root = Token::new();
        let token = root.child();
        let held = uses(&root);
        token.after_cancel(move |_| _ = &held).detach();
        drop(token);
        assert!(root.is_cancelled(), "it was dropped");
    });
}

/// The first one woken gives up the token of what was to be told after it.
#[test]
fn what_a_woken_task_drops_is_told_all_the_same() {
    struct Drops(Mutex<Option<Token>>);
    impl Wake for Drops {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().expect("no panic").take());
        }
    }
    let parent = Token::new();
    let child = parent.child();
    let log = Log::default();
    let note = log.clone();
    child.after_cancel(move |cause| note.add(cause.to_string())).detach();
    let waker = Waker::from(Arc::new(Drops(Mutex::new(Some(child)))));
    let mut waits = parent.cancelled();
    assert!(Pin::new(&mut waits).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    parent.cancel();
    assert_eq!(log.entries(), ["cancelled"]);
}

/// Also after what this crate keeps for the thread.
#[test]
fn what_a_thread_leaves_behind_is_dropped_quietly() {
    thread_local! {
        static HELD: RefCell<Vec<Token>> = const { RefCell::new(Vec::new()) };
    }
    let log = Log::default();
    let note = log.clone();
    let leaves = move || {
        HELD.with_borrow(Vec::is_empty);
        drop(Token::new());
        let inner = Token::new();
        let dropped = OnDrop(move || note.add((check().is_ok(), Token::current().is_none())));
        inner.after_cancel(move |_| _ = &dropped).detach();
        let outer = inner.child_with_timeout(FAR);
        outer.after_cancel(move |_| _ = &inner).detach();
        HELD.set(vec![outer.child(), outer]);
    };
    thread::spawn(leaves).join().expect("no panic");
    assert_eq!(log.entries(), [(true, true)]);
}

mod stopping {
    use super::*;

    #[test]
    fn in_time_it_is_never_called_and_stop_says_so() {
        let token = Token::new();
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        let stop = token.after_cancel(move |_| unreachable!("it was stopped: {held:?}"));
        assert!(stop.stop());
        assert!(weak.upgrade().is_none(), "what it held is gone");
        token.cancel();
    }

    #[test]
    fn dropped_it_is_never_called() {
        let token = Token::new();
        drop(token.after_cancel(|_| unreachable!("it was stopped")));
        assert!(token.cancel());
    }

    #[test]
    fn detached_it_is_called() {
        let token = Token::new();
        let log = Log::default();
        let note = log.clone();
        token.after_cancel(move |_| note.add(())).detach();
        token.cancel();
        assert_eq!(log.entries(), [()]);
    }

    #[test]
    fn with_nothing_bound_it_is_never_called_and_stop_says_so() {
        assert!(after_cancel(|_| unreachable!("nobody can cancel")).stop());
    }

    #[test]
    fn each_takes_back_its_own() {
        let token = Token::new();
        let log = Log::default();
        let register = |at| {
            let note = log.clone();
            token.after_cancel(move |_| note.add(at))
        };
        let (zero, one, two) = (register(0), register(1), register(2));
        assert!(one.stop());
        let three = register(3);
        assert!(zero.stop());
        token.cancel();
        assert!(!two.stop() && !three.stop());
        let mut told = log.entries();
        told.sort_unstable();
        assert_eq!(told, [2, 3]);
    }

    /// `true` or called: never both, never neither.
    #[test]
    fn against_a_cancel_either_of_both_wins() {
        for _ in 0..2_000 {
            let token = Token::new();
            let called = Arc::new(AtomicUsize::new(0));
            let count = called.clone();
            let stop = token.after_cancel(move |_| _ = count.fetch_add(1, Ordering::SeqCst));
            let start = Arc::new(Barrier::new(2));
            let begun = start.clone();
            let canceller = thread::spawn(move || {
                begun.wait();
                token.cancel();
            });
            start.wait();
            let stopped = stop.stop();
            canceller.join().expect("no panic");
            assert_eq!(called.load(Ordering::SeqCst), usize::from(!stopped));
        }
    }
}
