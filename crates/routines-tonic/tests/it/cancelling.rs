//! Calls and streams end with the routine that makes them.

use routines_cancel::{Cause, Token};
use routines_tonic::cause;
use tokio::sync::mpsc::unbounded_channel;
use tokio_stream::{StreamExt, once, pending};
use tonic::Code;
use tonic_health::pb::HealthCheckResponse;

use crate::support::{Service, ask, client, next, soon, watch_for_the_end};

#[tokio::test]
async fn a_call_under_way_ends_and_the_server_is_told_that_its_client_left() {
    let (arrive, mut arrived) = unbounded_channel();
    let (tell, mut told) = unbounded_channel();
    let service = Service::checking(move || {
        watch_for_the_end(tell.clone());
        arrive.send(()).unwrap();
        std::future::pending()
    });
    let mut client = client(service.serve().await);
    let token = Token::new();
    let call = tokio::spawn(token.scope(async move { client.check(ask()).await }));
    next(&mut arrived).await;
    token.cancel_with("sold out");
    let status = soon(call).await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Cancelled, "sold out"));
    assert_eq!(cause(&status).unwrap().to_string(), "sold out");
    let there = next(&mut told).await;
    assert!(matches!(there, Cause::Disconnected), "{there:?}");
}

#[tokio::test]
async fn a_stream_of_messages_ends_with_the_routine_that_called_and_the_server_is_told() {
    let (tell, mut told) = unbounded_channel();
    let service = Service::watching(move || {
        watch_for_the_end(tell.clone());
        Box::pin(once(Ok(HealthCheckResponse::default())).chain(pending()))
    });
    let mut client = client(service.serve().await);
    let token = Token::new();
    let call = async {
        let mut messages = client.watch(ask()).await.unwrap().into_inner();
        assert!(messages.message().await.unwrap().is_some());
        token.cancel_with(Cause::DeadlineExceeded);
        let status = messages.message().await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(matches!(cause(&status), Some(Cause::DeadlineExceeded)));
        // While the stream is still held.
        let there = next(&mut told).await;
        assert!(matches!(there, Cause::Disconnected), "{there:?}");
        drop(messages);
    };
    soon(token.scope(call)).await;
}
