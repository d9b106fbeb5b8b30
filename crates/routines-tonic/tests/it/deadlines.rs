//! A deadline crosses processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use routines_cancel::{Cause, Token, remaining, with_timeout};
use routines_tonic::cause;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_health::pb::health_client::HealthClient;

use crate::support::{LONG, Service, ask, client, fleet, next, ok, soon, watch_for_the_end};

/// A service that tells the time it has.
async fn clock() -> (Channel, UnboundedReceiver<Option<Duration>>) {
    let (tell, told) = unbounded_channel();
    let service = Service::checking(move || {
        tell.send(remaining()).unwrap();
        std::future::ready(ok())
    });
    (service.serve().await, told)
}

/// What rounding takes, at most.
const UNIT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_handler_has_the_time_its_client_had_left() {
    let (channel, mut told) = clock().await;
    let token = Token::new().child_with_timeout(LONG);
    let before = token.remaining().unwrap();
    token.scope(async { client(channel).check(ask()).await.unwrap() }).await;
    let after = token.remaining().unwrap();
    let there = next(&mut told).await.expect("a deadline");
    assert!(there <= before && there + UNIT >= after, "{before:?} {there:?} {after:?}");
}

#[tokio::test]
async fn it_is_forwarded_to_the_next_service_which_tonic_alone_does_not() {
    let (last, mut told) = clock().await;
    let (tell, mut told_first) = unbounded_channel();
    let first = Service::checking(move || {
        let (tell, last) = (tell.clone(), last.clone());
        async move {
            let before = remaining();
            client(last.clone()).check(ask()).await?;
            HealthClient::new(last).check(ask()).await?;
            tell.send((before, remaining())).unwrap();
            ok()
        }
    });
    let first = first.serve().await;
    with_timeout(LONG).scope(async { client(first).check(ask()).await.unwrap() }).await;
    let (before, after) = next(&mut told_first).await;
    let there = next(&mut told).await;
    assert!(
        there.is_some() && there <= before && there.map(|left| left + UNIT) >= after,
        "{before:?} {there:?} {after:?}"
    );
    assert_eq!(next(&mut told).await, None, "tonic enforces, and forgets");
}

#[tokio::test]
async fn the_earlier_of_a_calls_own_timeout_and_the_routines_deadline_counts() {
    let (channel, mut told) = clock().await;
    let short = LONG / 10;
    for (own, token) in [(short, with_timeout(LONG)), (LONG, with_timeout(short)), (short, Token::new())] {
        let mut request = Request::new(ask());
        request.set_timeout(own);
        token.scope(async { client(channel.clone()).check(request).await.unwrap() }).await;
        let there = next(&mut told).await;
        assert!(there.is_some_and(|left| left <= short), "{there:?}");
    }
}

#[tokio::test]
async fn a_call_there_is_no_time_for_is_not_sent() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = Service::checking(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(ok())
    });
    let mut client = client(service.serve().await);
    let late = with_timeout(Duration::ZERO).scope(client.check(ask())).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert!(matches!(cause(&late), Some(Cause::DeadlineExceeded)));

    let token = Token::new();
    token.cancel_with("sold out");
    let cancelled = token.scope(client.check(ask())).await.unwrap_err();
    assert_eq!(cancelled.code(), Code::Cancelled);
    assert_eq!(cause(&cancelled).unwrap().to_string(), "sold out");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn when_the_time_is_up_the_caller_is_told_that_it_was_the_deadline() {
    let channel = Service::checking(std::future::pending).serve().await;
    let soon_over = Duration::from_millis(30);
    let ours = with_timeout(soon_over).scope(async { client(channel.clone()).check(ask()).await });
    let ours = soon(ours).await.unwrap_err();
    assert_eq!(ours.code(), Code::DeadlineExceeded);
    assert!(matches!(cause(&ours), Some(Cause::DeadlineExceeded)), "{ours:?}");

    let mut request = Request::new(ask());
    request.set_timeout(soon_over);
    let tonics = soon(HealthClient::new(channel).check(request)).await.unwrap_err();
    assert_eq!(tonics.code(), Code::Cancelled, "should this change, `cause` can be shorter");
    assert!(matches!(cause(&tonics), Some(Cause::DeadlineExceeded)), "{tonics:?}");
}

#[tokio::test]
async fn when_the_time_is_up_what_the_handler_started_is_told_that_it_was_the_deadline() {
    let (tell, mut told) = unbounded_channel();
    let service = Service::checking(move || {
        watch_for_the_end(tell.clone());
        std::future::pending()
    });
    // The server's own, for a caller that would wait for ever.
    let channel = service.serve_with(&fleet().default_timeout(Duration::from_millis(30))).await;
    let call = tokio::spawn(async move { client(channel).check(ask()).await });
    assert!(matches!(next(&mut told).await, Cause::DeadlineExceeded));
    call.abort();
}
