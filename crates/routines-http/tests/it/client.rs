//! Owns the promises of the client's side.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderMap, Request, Response};
use routines_cancel::{Cause, Token, with_timeout};
use routines_http::{ClientLayer, Propagation, REQUEST_ID, RequestId, ServerLayer, TRACE, TraceContext};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{REGION, TENANT, Told, fleet, serve};

/// The headers a request has when it is sent.
async fn sent(layer: ClientLayer, request: Request<()>) -> Result<HeaderMap, Cause> {
    let transport = service_fn(async |request: Request<()>| {
        let mut echo = Response::new(String::new());
        *echo.headers_mut() = request.into_parts().0.headers;
        Ok::<_, Infallible>(echo)
    });
    match layer.layer(transport).oneshot(request).await {
        Ok(echo) => Ok(echo.into_parts().0.headers),
        Err(error) => Err(*error.downcast::<Cause>().expect("nothing else fails here")),
    }
}

fn to(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

#[tokio::test]
async fn what_the_routine_carries_goes_along() {
    let trace = TraceContext::new_root();
    let layer = ClientLayer::new(&fleet());
    let all = routines::Bindings::new()
        .with(&REQUEST_ID, RequestId::parse("req-7").unwrap())
        .with(&TRACE, trace.clone())
        .with(&TENANT, "a b".to_owned())
        .with(&REGION, "é%".to_owned());
    let call = async || with_timeout(Duration::from_secs(60)).scope(sent(layer, to("http://stock.internal/"))).await;
    let headers = all.scope(call()).await.unwrap();
    assert_eq!(headers["x-request-id"], "req-7");
    assert_eq!(headers["traceparent"], trace.traceparent().as_str());
    assert_eq!(headers["baggage"], "tenant=a%20b");
    assert_eq!(headers["x-region"], "%C3%A9%25");
    let left: u64 = headers["x-request-timeout-ms"].to_str().unwrap().parse().unwrap();
    assert!((1..=60_000).contains(&left));
}

#[tokio::test]
async fn strangers_get_ids_and_no_values_even_those_a_caller_copied_in() {
    let mut request = to("http://example.com/");
    request.headers_mut().insert("baggage", "tenant=acme".parse().unwrap());
    request.headers_mut().insert("x-region", "eu".parse().unwrap());
    let call = sent(ClientLayer::new(&fleet()), request);
    let id = RequestId::parse("req-7").unwrap();
    let headers =
        routines::Bindings::new().with(&REQUEST_ID, id).with(&TENANT, "acme".to_owned()).scope(call).await.unwrap();
    assert_eq!(headers["x-request-id"], "req-7");
    assert!(!headers.contains_key("baggage") && !headers.contains_key("x-region"));
}

#[tokio::test]
async fn nothing_bound_sends_nothing() {
    assert!(sent(ClientLayer::new(&fleet()), to("http://stock.internal/")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_grpc_call_gets_a_grpc_timeout_and_keeps_a_shorter_one_of_its_own() {
    async fn timeout(own: &str) -> String {
        let mut request = to("/stock.Stock/Get");
        request.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
        if !own.is_empty() {
            request.headers_mut().insert("grpc-timeout", own.parse().unwrap());
        }
        let call = sent(ClientLayer::new(&fleet()).host("stock"), request);
        let headers = with_timeout(Duration::from_secs(60)).scope(call).await.unwrap();
        assert!(!headers.contains_key("x-request-timeout-ms"));
        headers["grpc-timeout"].to_str().unwrap().to_owned()
    }
    let left = |text: &str| routines_http::timeout::grpc_timeout::parse(text).unwrap();
    assert!(left(&timeout("").await) > Duration::from_secs(50));
    assert_eq!(left(&timeout("5S").await), Duration::from_secs(5));
    assert!(left(&timeout("900S").await) <= Duration::from_secs(60));
}

#[tokio::test]
async fn a_call_whose_time_is_up_is_not_sent() {
    let layer = ClientLayer::new(&fleet());
    let call = sent(layer.clone(), to("http://stock/"));
    assert!(matches!(with_timeout(Duration::ZERO).scope(call).await, Err(Cause::DeadlineExceeded)));
    let token = Token::new();
    token.cancel_with(Cause::Disconnected);
    let call = sent(layer, to("http://stock/"));
    assert!(matches!(token.scope(call).await, Err(Cause::Disconnected)));
}

#[tokio::test]
async fn a_retry_tells_the_time_that_is_left_then() {
    let layer = ClientLayer::new(&fleet());
    let left = |headers: HeaderMap| headers["x-request-timeout-ms"].to_str().unwrap().parse::<u64>().unwrap();
    with_timeout(Duration::from_secs(60))
        .scope(async {
            let first = left(sent(layer.clone(), to("http://stock/")).await.unwrap());
            let before = routines_cancel::remaining().unwrap();
            while before - routines_cancel::remaining().unwrap() < Duration::from_millis(2) {
                tokio::task::yield_now().await;
            }
            // The request is the same one, with the headers of the first try.
            let mut again = to("http://stock/");
            again.headers_mut().insert("x-request-timeout-ms", first.into());
            assert!(left(sent(layer, again).await.unwrap()) < first);
        })
        .await;
}

#[tokio::test]
async fn cancelling_a_caller_is_told_to_the_server_it_waits_for() {
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    for http2 in [false, true] {
        let mut told = Told::new();
        let hang = get(async |Extension(tell): Extension<tokio::sync::mpsc::UnboundedSender<String>>| {
            routines_tokio::spawn(async move {
                tell.send("started".into()).unwrap();
                let cause = routines_cancel::cancelled().await;
                tell.send(format!("{cause} id={}", REQUEST_ID.get().unwrap())).unwrap();
            });
            std::future::pending::<()>().await;
        });
        let fleet = Propagation::new();
        let app = Router::new().route("/", hang).layer(ServerLayer::new(&fleet)).layer(Extension(told.0.clone()));
        let address = serve(app).await;
        let transport = Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Body>();
        let client = ClientLayer::new(&fleet).layer(transport);
        let token = Token::new();
        let call = client.oneshot(Request::get(format!("http://{address}/")).body(Body::empty()).unwrap());
        let id = RequestId::parse("req-7").unwrap();
        let call = REQUEST_ID.sync_scope(id, || tokio::spawn(token.scope(call)));
        assert_eq!(told.next().await, "started");
        token.cancel_with(Cause::from("no longer needed"));
        assert_eq!(call.await.unwrap().unwrap_err().to_string(), "no longer needed");
        assert_eq!(told.next().await, "the client went away id=req-7");
    }
}

#[tokio::test]
async fn reading_a_body_ends_with_the_routine_that_reads_it_and_the_server_is_told() {
    use futures_util::StreamExt;
    use http_body_util::BodyExt;

    let mut told = Told::new();
    let endless = get(async |Extension(tell): Extension<tokio::sync::mpsc::UnboundedSender<String>>| {
        routines_cancel::after_cancel(move |cause| tell.send(cause.to_string()).unwrap()).detach();
        let first = futures_util::stream::once(async { Ok::<_, Infallible>("first row") });
        Body::from_stream(first.chain(futures_util::stream::pending()))
    });
    let app = Router::new().route("/", endless).layer(ServerLayer::new(&fleet())).layer(Extension(told.0.clone()));
    let address = serve(app).await;
    let transport =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http::<Body>();
    let client = ClientLayer::new(&fleet()).layer(transport);
    let token = Token::new();
    let call = client.oneshot(Request::get(format!("http://{address}/")).body(Body::empty()).unwrap());
    let mut body = token.scope(call).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first row");
    token.cancel_with(Cause::from("no longer needed"));
    assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "no longer needed");
    assert!(body.frame().await.is_none());
    assert_eq!(told.next().await, "the client went away");
}
