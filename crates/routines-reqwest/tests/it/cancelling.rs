//! Calls end with the routine that makes them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use routines_cancel::{Cause, Token, with_cause, with_timeout};
use routines_reqwest::cause;
use tokio::sync::mpsc::unbounded_channel;

use crate::support::{Dropped, client, mirror, next, serve, soon, url};

#[tokio::test]
async fn a_call_there_is_no_time_for_is_not_sent() {
    let (server, mut told) = mirror().await;
    let client = client(server);
    let late = with_timeout(Duration::ZERO).scope(async { client.get(url("stock.internal", server)).send().await });
    assert!(matches!(cause(&late.await.unwrap_err()), Some(Cause::DeadlineExceeded)));

    let token = with_cause("sold out");
    token.cancel();
    let cancelled = token.scope(async { client.get(url("stock.internal", server)).send().await }).await;
    assert_eq!(cause(&cancelled.unwrap_err()).unwrap().to_string(), "sold out");
    assert!(told.try_recv().is_err(), "nothing arrived");
}

#[tokio::test]
async fn a_call_under_way_ends_and_the_server_is_told() {
    let (tell, mut told) = unbounded_channel();
    let server = serve(async move || {
        let _told_when_dropped = Dropped(tell.clone());
        tell.send(()).unwrap();
        std::future::pending::<()>().await;
    })
    .await;

    let token = Token::new();
    let call = token.scope(async move { client(server).get(url("stock.internal", server)).send().await });
    let call = tokio::spawn(call);
    next(&mut told).await;
    token.cancel_with(Cause::Disconnected);
    let error = soon(call).await.unwrap().unwrap_err();
    assert!(matches!(cause(&error), Some(Cause::Disconnected)), "{error:?}");
    next(&mut told).await;
}

/// A body that never ends after its first frame.
struct Endless {
    first: Option<Bytes>,
    _told: Dropped,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.first.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }
}

#[tokio::test]
async fn a_body_that_is_read_ends_with_the_routine_that_called_and_the_server_is_told() {
    let (tell, mut told) = unbounded_channel();
    let body = move || Endless { first: Some("first".into()), _told: Dropped(tell.clone()) };
    let server = serve(async move || Body::new(body())).await;

    let token = Token::new();
    let call = async {
        let mut response = client(server).get(url("stock.internal", server)).send().await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
        token.cancel();
        let error = response.chunk().await.unwrap_err();
        assert!(matches!(cause(&error), Some(Cause::Cancelled)), "{error:?}");
        // While the response is still held.
        next(&mut told).await;
    };
    soon(token.scope(call)).await;
}
