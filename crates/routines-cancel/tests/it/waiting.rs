//! Owns the promises of waiting: blocking, on tokio, on smol, and nothing locked while wakers run.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use routines_cancel::{Cancelled, Cause, Token, cancelled, wait, wait_timeout, with_cancel, with_timeout};

use crate::support::{FAR, Log, current_thread, fall, in_time, multi_thread, receive};

const SOON: Duration = Duration::from_millis(2);

/// Cancels from another thread, once something is likely to wait: the test holds if nothing does yet.
fn cancel_elsewhere(token: &Token) {
    let token = token.clone();
    thread::spawn(move || token.cancel_with("elsewhere"));
}

#[test]
fn a_thread_is_woken() {
    in_time(|| {
        let token = Token::new();
        let waiter = token.sync_scope(|| routines::thread::spawn(wait));
        cancel_elsewhere(&token);
        assert_eq!(waiter.join().expect("no panic").to_string(), "elsewhere");
        assert_eq!(token.wait().to_string(), "elsewhere");
    });
}

#[test]
fn a_thread_is_woken_by_the_deadline() {
    in_time(|| {
        assert!(with_timeout(SOON).sync_scope(wait).is_deadline());
        assert!(with_timeout(SOON).sync_scope(|| wait_timeout(FAR)).expect("cancelled").is_deadline());
    });
}

#[test]
fn a_wait_for_some_time_ends_with_it() {
    let token = Token::new();
    assert!(token.wait_timeout(SOON).is_none());
    assert!(token.wait_timeout(Duration::ZERO).is_none());
    assert!(token.sync_scope(|| wait_timeout(SOON)).is_none());
    assert!(wait_timeout(SOON).is_none(), "with nothing bound, too");
    token.cancel();
    assert!(token.wait_timeout(Duration::ZERO).is_some());
    assert!(token.wait_timeout(Duration::MAX).is_some());
}

#[test]
fn a_wait_for_longer_than_all_time_ends_with_the_cancellation() {
    in_time(|| {
        let token = Token::new();
        cancel_elsewhere(&token);
        assert!(token.wait_timeout(Duration::MAX).is_some());
    });
}

/// An executor above may be about to park on the thread's own token.
#[test]
fn a_blocking_wait_takes_no_unpark_that_was_for_somebody_else() {
    in_time(|| {
        for _ in 0..20 {
            let token = Token::new();
            let (waits, began) = channel();
            let waiter = {
                let token = token.clone();
                thread::spawn(move || {
                    waits.send(()).expect("a test");
                    token.wait();
                    thread::park();
                })
            };
            receive(&began);
            waiter.thread().unpark();
            // So that it comes to wait; if it does not, this round tells nothing.
            for _ in 0..200 {
                thread::yield_now();
            }
            token.cancel();
            waiter.join().expect("no panic");
        }
    });
}

#[test]
fn tasks_are_woken_on_tokio() {
    for runtime in [current_thread(), multi_thread()] {
        in_time(move || {
            runtime.block_on(async {
                let token = with_cancel();
                let tasks: Vec<_> = token
                    .scope(async { (0..50).map(|_| routines_tokio::spawn(async { cancelled().await })).collect() })
                    .await;
                cancel_elsewhere(&token);
                for task in tasks as Vec<routines_tokio::task::JoinHandle<Cause>> {
                    assert_eq!(task.await.expect("no panic").to_string(), "elsewhere");
                }
                assert!(with_timeout(SOON).scope(async { cancelled().await }).await.is_deadline());
            });
        });
    }
}

#[test]
fn tasks_are_woken_on_smol() {
    in_time(|| {
        smol::block_on(async {
            let token = with_cancel();
            let tasks: Vec<_> = token.sync_scope(|| {
                (0..50).map(|_| smol::spawn(routines::FutureExt::inherit(async { cancelled().await }))).collect()
            });
            cancel_elsewhere(&token);
            for task in tasks {
                assert_eq!(task.await.to_string(), "elsewhere");
            }
            assert!(with_timeout(SOON).scope(async { cancelled().await }).await.is_deadline());
        });
    });
}

#[test]
fn the_one_that_asks_is_meant_and_not_the_one_that_polls() {
    let (asks, polls) = (Token::new(), Token::new());
    let told = asks.sync_scope(cancelled);
    asks.cancel_with("asked");
    assert_eq!(smol::block_on(polls.scope(told)).to_string(), "asked");
}

#[test]
fn a_routine_hears_of_its_own_token_made_later() {
    in_time(|| {
        let outer = Token::new();
        let child = outer.sync_scope(|| {
            routines::thread::spawn(|| {
                let told = cancelled();
                Token::current().expect("a token").cancel_with("itself");
                smol::block_on(told).to_string()
            })
        });
        assert_eq!(child.join().expect("no panic"), "itself");
        assert!(!outer.is_cancelled());
    });
}

#[test]
fn with_nothing_bound_it_never_resolves() {
    assert!(smol::block_on(smol::future::poll_once(cancelled())).is_none());
}

/// Notes that it woke, and does what a careless executor might: here, at once.
struct Inline(Mutex<Box<dyn FnMut() + Send>>);

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        self.0.lock().expect("no panic")();
    }
}

fn waker(f: impl FnMut() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Inline(Mutex::new(Box::new(f)))))
}

fn poll(cancelled: &mut Cancelled, waker: &Waker) -> Poll<Cause> {
    Pin::new(cancelled).poll(&mut Context::from_waker(waker))
}

/// An executor that is shut down drops a task when it is woken.
#[test]
fn a_waker_may_drop_futures_that_wait_for_the_same() {
    in_time(|| {
        let token = Token::new();
        let waits = Arc::new(Mutex::new(Vec::new()));
        let drops = waits.clone();
        let waker = waker(move || drop(std::mem::take(&mut *drops.lock().expect("no panic"))));
        for _ in 0..3 {
            let mut wait = token.cancelled();
            assert!(poll(&mut wait, &waker).is_pending());
            waits.lock().expect("no panic").push(wait);
        }
        token.cancel();
        assert!(waits.lock().expect("no panic").is_empty());
    });
}

#[test]
fn a_waker_may_use_the_token() {
    in_time(|| {
        let token = Token::new();
        let (mine, log) = (token.clone(), Log::default());
        let note = log.clone();
        let waker = waker(move || {
            mine.wait();
            mine.after_cancel(|_| {}).detach();
            note.add(mine.child().is_cancelled());
        });
        let mut wait = token.cancelled();
        assert!(poll(&mut wait, &waker).is_pending());
        token.cancel();
        assert_eq!(log.entries(), [true]);
        assert!(poll(&mut wait, &waker).is_ready());
    });
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_told() {
    let token = Token::new().child_with_timeout(SOON);
    let child = token.child();
    let falls = waker(|| fall());
    let mut wait = token.cancelled();
    assert!(poll(&mut wait, &falls).is_pending());
    let (tell, told) = channel();
    let _kept = token.after_cancel(move |_| tell.send(()).expect("a test"));
    receive(&told);
    assert!(in_time(move || child.wait()).is_deadline());
}

#[test]
fn the_last_waker_is_the_one_that_is_woken() {
    let token = Token::new();
    let log = Log::default();
    let wakers = [0, 1, 2].map(|at| {
        let note = log.clone();
        waker(move || note.add(at))
    });
    let mut wait = token.cancelled();
    for waker in &wakers {
        assert!(poll(&mut wait, waker).is_pending());
        assert!(poll(&mut wait, waker).is_pending());
    }
    token.cancel();
    assert_eq!(log.entries(), [2]);
}

#[test]
fn one_that_waits_no_more_is_not_woken_and_its_waker_is_gone() {
    let token = Token::new();
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    let waker = waker(move || unreachable!("it waits no more: {held:?}"));
    let mut wait = token.cancelled();
    assert!(poll(&mut wait, &waker).is_pending());
    drop((wait, waker));
    assert!(weak.upgrade().is_none());
    token.cancel();
}

#[test]
fn waiters_are_woken_before_callbacks() {
    let token = Token::new();
    let log = Log::default();
    let note = log.clone();
    token.after_cancel(move |_| note.add("callback")).detach();
    let note = log.clone();
    let waker = waker(move || note.add("waiter"));
    let mut wait = token.cancelled();
    assert!(poll(&mut wait, &waker).is_pending());
    token.cancel();
    assert_eq!(log.entries(), ["waiter", "callback"]);
}

#[test]
fn no_wake_up_is_lost_by_threads() {
    in_time(|| {
        for round in 0..3_000 {
            let token = Token::new().child();
            let waiter = {
                let token = token.clone();
                thread::spawn(
                    move || if round % 2 == 0 { token.wait() } else { token.wait_timeout(FAR).expect("cancelled") },
                )
            };
            token.cancel();
            waiter.join().expect("no panic");
        }
    });
}

#[test]
fn no_wake_up_is_lost_by_tasks() {
    in_time(|| {
        let runtime = multi_thread();
        runtime.block_on(async {
            for _ in 0..5_000 {
                let token = Token::new();
                let below = token.child();
                let first = tokio::spawn(async move { below.cancelled().await });
                let canceller = token.clone();
                let second = tokio::spawn(async move { canceller.cancel() });
                assert!(matches!(first.await.expect("no panic"), Cause::Cancelled));
                assert!(second.await.expect("no panic"));
            }
        });
    });
}

#[test]
fn no_wake_up_is_lost_against_deadlines() {
    in_time(|| {
        let runtime = multi_thread();
        runtime.block_on(async {
            let woken = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..5_000)
                .map(|at| {
                    let token = Token::new().child_with_timeout(Duration::from_micros(at % 700));
                    let woken = woken.clone();
                    tokio::spawn(async move {
                        assert!(token.cancelled().await.is_deadline());
                        woken.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic");
            }
            assert_eq!(woken.load(Ordering::Relaxed), 5_000);
        });
    });
}
