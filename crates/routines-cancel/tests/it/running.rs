//! Owns the promises of running work until it is cancelled, and of shielding it.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_lite::future::{block_on, poll_once, yield_now};
use routines::Local;
use routines_cancel::{
    Cause, Token, cause, deadline, is_cancelled, shield, sync_shield, until_cancelled, with_cancel, with_timeout,
};

use crate::support::{FAR, Log, OnDrop, in_time};

static USER: Local<&str> = Local::new();

#[test]
fn in_time_its_output_is_given() {
    assert_eq!(block_on(Token::new().run(async { 7 })).expect("not cancelled"), 7);
    assert_eq!(block_on(until_cancelled(async { 7 })).expect("not cancelled"), 7);
    let token = Token::new();
    assert_eq!(block_on(token.scope(async { until_cancelled(async { 7 }).await })).expect("not cancelled"), 7);
}

#[test]
fn what_is_cancelled_already_does_not_begin() {
    let token = Token::new();
    token.cancel_with("before");
    let work = token.run(async { unreachable!("it must not be polled") });
    assert_eq!(block_on(work).map(|never: ()| never).expect_err("cancelled").to_string(), "before");
}

#[test]
fn late_it_is_dropped_inside_its_context_and_polled_no_more() {
    for by_run in [true, false] {
        let (token, log) = (Token::new(), Log::default());
        let (polled, dropped) = (log.clone(), log.clone());
        let mut work = USER.sync_scope("ada", || {
            let guard = OnDrop(move || dropped.add(("dropped", USER.get(), cause().map(|cause| cause.to_string()))));
            let work = async move {
                let _guard = guard;
                poll_fn(|_| {
                    polled.add(("polled", USER.get(), None));
                    Poll::<()>::Pending
                })
                .await;
            };
            let work: Pin<Box<dyn Future<Output = Result<(), Cause>>>> = match by_run {
                true => Box::pin(token.run(work)),
                false => Box::pin(token.scope(async { until_cancelled(work).await })),
            };
            work
        });
        assert!(block_on(poll_once(work.as_mut())).is_none());
        token.cancel_with("late");
        assert_eq!(block_on(work.as_mut()).expect_err("cancelled").to_string(), "late");
        let ada = Some("ada");
        assert_eq!(log.entries(), [("polled", ada, None), ("dropped", ada, Some("late".to_owned()))]);
    }
}

#[test]
fn late_it_is_dropped_though_what_ran_it_is_kept() {
    let (token, log) = (Token::new(), Log::default());
    let note = log.clone();
    let guard = OnDrop(move || note.add(()));
    let work = token.sync_scope(|| {
        until_cancelled(async move {
            let _guard = guard;
            pending::<()>().await;
        })
    });
    let mut work = Box::pin(work);
    assert!(block_on(poll_once(work.as_mut())).is_none());
    token.cancel();
    assert!(block_on(work.as_mut()).is_err());
    assert_eq!(log.entries(), [()]);
}

#[test]
fn what_cancels_itself_and_is_done_is_done() {
    let token = Token::new();
    let canceller = token.clone();
    let work = token.run(async move {
        yield_now().await;
        canceller.cancel();
        7
    });
    assert_eq!(block_on(work).expect("it was done when it was cancelled"), 7);
}

#[test]
fn it_is_woken_to_be_dropped() {
    in_time(|| {
        let token = Token::new();
        let canceller = token.clone();
        let thread = std::thread::spawn(move || canceller.cancel());
        assert!(block_on(token.run(pending::<()>())).is_err());
        assert!(thread.join().expect("no panic"));
        assert!(block_on(with_timeout(Duration::from_millis(2)).run(pending::<()>())).expect_err("late").is_deadline());
    });
}

/// Its context is there while it is dropped, whoever drops the whole.
#[test]
fn abandoned_it_is_dropped_inside_its_context_before_its_token_is_let_go() {
    let log = Log::default();
    let note = log.clone();
    let token = Token::new().child_with_timeout(FAR);
    let work = token.run(async move {
        let _guard = OnDrop(move || note.add((deadline().is_some(), is_cancelled())));
        pending::<()>().await;
    });
    assert!(block_on(poll_once(Box::pin(work))).is_none());
    assert_eq!(log.entries(), [(true, false)]);
}

#[test]
fn a_future_that_panics_when_it_is_dropped_is_dropped_once() {
    let token = Token::new();
    let log = Log::default();
    let note = log.clone();
    let mut work = Box::pin(token.run(async move {
        let _guard = OnDrop(move || {
            note.add(());
            crate::support::fall()
        });
        pending::<()>().await;
    }));
    assert!(block_on(poll_once(work.as_mut())).is_none());
    token.cancel();
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(poll_once(work.as_mut()))));
    assert!(polled.is_err());
    drop(work);
    assert_eq!(log.entries(), [()]);
    assert!(!is_cancelled());
}

/// Polls once and is ready with what it saw.
async fn seen() -> (Option<&'static str>, bool, bool, bool) {
    (USER.get(), is_cancelled(), deadline().is_some(), Token::current().is_some())
}

#[test]
fn shielded_it_keeps_its_values_and_nothing_cancels_it() {
    let token = with_timeout(FAR);
    let shielded = (Some("ada"), false, false, false);
    let both = async {
        token.cancel();
        assert!(is_cancelled());
        assert_eq!(shield(seen()).await, shielded);
        assert_eq!(sync_shield(|| block_on(seen())), shielded);
        assert!(is_cancelled(), "what is outside of the shield is cancelled still");
    };
    block_on(USER.sync_scope("ada", || token.scope(both)));
}

#[test]
fn what_shielded_work_starts_is_shielded() {
    let token = with_cancel();
    token.cancel();
    token.sync_scope(|| {
        let child = sync_shield(|| routines::thread::spawn(|| block_on(seen())));
        assert_eq!(child.join().expect("no panic"), (None, false, false, false));
    });
}

#[test]
fn shielded_work_may_have_a_deadline_of_its_own() {
    in_time(|| {
        let token = with_cancel();
        token.cancel();
        token.sync_scope(|| {
            let late = sync_shield(|| with_timeout(Duration::from_millis(2)).sync_scope(routines_cancel::wait));
            assert!(late.is_deadline());
        });
    });
}

#[test]
fn a_shield_sent_elsewhere_holds() {
    let token = with_cancel();
    let work = token.sync_scope(|| USER.sync_scope("ada", || shield(seen())));
    token.cancel();
    let seen = std::thread::spawn(move || block_on(work)).join().expect("no panic");
    assert_eq!(seen, (Some("ada"), false, false, false));
}

/// `Token::run` is a future like another: it can be named and held.
#[test]
fn what_runs_is_send_if_the_future_is() {
    fn send(future: impl Future + Send) -> impl Future {
        future
    }
    let work = send(with_cancel().run(async {}));
    drop(work);
    drop(send(until_cancelled(async {})));
    drop(send(shield(async {})));
    drop(send(routines_cancel::cancelled()));
}
