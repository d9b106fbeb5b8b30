//! A middleware that retries around the one that propagates.

use std::time::Duration;

use http::{Extensions, StatusCode};
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next, Result};
use reqwest_retry::policies::ExponentialBackoff;
use reqwest_retry::{RetryTransientMiddleware, Retryable, RetryableStrategy};
use routines_cancel::{Cause, Token, with_timeout};
use routines_reqwest::{PropagationMiddleware, cause};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::{LONG, fleet, left, next, plain, serve, soon, url};

fn three_attempts() -> ExponentialBackoff {
    let blink = Duration::from_millis(1);
    ExponentialBackoff::builder().retry_bounds(blink, blink).build_with_max_retries(2)
}

fn retrying(
    server: std::net::SocketAddr,
    strategy: impl RetryableStrategy + Send + Sync + 'static,
) -> ClientWithMiddleware {
    ClientBuilder::new(plain(server).build().unwrap())
        .with(RetryTransientMiddleware::new_with_policy_and_strategy(three_attempts(), strategy))
        .with(PropagationMiddleware::new(&fleet()))
        .build()
}

#[tokio::test]
async fn each_attempt_tells_the_time_left_then() {
    let (tell, mut told) = unbounded_channel();
    let server = serve(async move |headers: http::HeaderMap| {
        tell.send(left(&headers)).unwrap();
        // Takes its time to fail.
        with_timeout(Duration::from_millis(5)).cancelled().await;
        StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let client = retrying(server, reqwest_retry::DefaultRetryableStrategy);
    let call = with_timeout(LONG).scope(async { client.get(url("stock.internal", server)).send().await.unwrap() });
    assert_eq!(soon(call).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let [first, second, third] = [next(&mut told).await, next(&mut told).await, next(&mut told).await];
    assert!(first > second && second > third, "{first} {second} {third}");
}

/// Cancels after each attempt, and asks for another.
struct Cancels(Token);

impl RetryableStrategy for Cancels {
    fn handle(&self, _: &Result<Response>) -> Option<Retryable> {
        self.0.cancel();
        Some(Retryable::Transient)
    }
}

#[tokio::test]
async fn cancelled_between_two_attempts_the_second_is_not_sent() {
    let (tell, mut told) = unbounded_channel();
    let server = serve(async move || tell.send(()).unwrap()).await;
    let token = Token::new();
    let client = retrying(server, Cancels(token.clone()));
    let call = token.scope(async { client.get(url("stock.internal", server)).send().await.unwrap_err() });
    let error = soon(call).await;
    assert!(matches!(cause(&error), Some(Cause::Cancelled)), "{error:?}");
    next(&mut told).await;
    assert!(told.try_recv().is_err(), "one attempt arrived");
}

/// Tells of each attempt.
struct Counts(UnboundedSender<()>);

#[async_trait::async_trait]
impl Middleware for Counts {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        self.0.send(()).unwrap();
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn a_refusal_is_not_retried() {
    let (tell, mut told) = unbounded_channel();
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(RetryTransientMiddleware::new_with_policy(three_attempts()))
        .with(Counts(tell))
        .with(PropagationMiddleware::new(&fleet()))
        .build();
    let late = with_timeout(Duration::ZERO).scope(async { client.get("http://127.0.0.1:1/").send().await });
    assert!(matches!(cause(&late.await.unwrap_err()), Some(Cause::DeadlineExceeded)));
    next(&mut told).await;
    assert!(told.try_recv().is_err(), "one attempt was made");
}

#[tokio::test]
async fn added_before_the_one_that_retries_it_ends_the_pause_too() {
    let server = serve(async || StatusCode::SERVICE_UNAVAILABLE).await;
    let (tell, mut told) = unbounded_channel();
    let age = Duration::from_secs(3600);
    let policy = ExponentialBackoff::builder().retry_bounds(age, age).build_with_max_retries(2);
    struct Tells(UnboundedSender<()>);
    impl RetryableStrategy for Tells {
        fn handle(&self, _: &Result<Response>) -> Option<Retryable> {
            self.0.send(()).unwrap();
            Some(Retryable::Transient)
        }
    }
    let client = ClientBuilder::new(plain(server).build().unwrap())
        .with(PropagationMiddleware::new(&fleet()))
        .with(RetryTransientMiddleware::new_with_policy_and_strategy(policy, Tells(tell)))
        .build();
    let token = Token::new();
    let call = token.scope(async move { client.get(url("stock.internal", server)).send().await });
    let call = tokio::spawn(call);
    next(&mut told).await;
    token.cancel();
    assert!(matches!(cause(&soon(call).await.unwrap().unwrap_err()), Some(Cause::Cancelled)));
}
