//! What goes along with a call, and to whom.

use std::time::Duration;

use reqwest::{Method, Request};
use routines_cancel::{Cause, Token, with_timeout};
use routines_http::{Incoming, REQUEST_ID, RequestId, TRACE, TraceContext};
use routines_reqwest::prepare;

use crate::support::{LONG, TENANT, client, fleet, left, mirror, next, url};

fn request() -> Incoming {
    let headers = [
        ("x-request-id", "req-7"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("tracestate", "vendor=1"),
        ("baggage", "tenant=S%C3%A3o%20Paulo,undeclared=1"),
        ("x-request-timeout-ms", "600000"),
    ];
    fleet().extract(&headers)
}

#[tokio::test]
async fn a_call_carries_ids_trace_values_and_the_time_left() {
    let (server, mut told) = mirror().await;
    let call = async {
        client(server).get(url("stock.internal", server)).send().await.unwrap();
        TRACE.get().unwrap()
    };
    let trace = request().scope(call).await;
    let headers = next(&mut told).await;
    assert_eq!(headers["x-request-id"], "req-7");
    assert_eq!(headers["traceparent"], trace.traceparent());
    assert_eq!(headers["tracestate"], "vendor=1");
    assert_eq!(headers["baggage"], "tenant=S%C3%A3o%20Paulo");
    assert!((1..=600_000).contains(&left(&headers)), "{headers:?}");
}

#[tokio::test]
async fn a_host_that_is_not_listed_gets_ids_and_no_values() {
    let (server, mut told) = mirror().await;
    let call = async {
        let request = client(server).get(url("example.com", server)).header("baggage", "tenant=copied");
        request.send().await.unwrap();
    };
    request().scope(call).await;
    let headers = next(&mut told).await;
    assert_eq!(headers["x-request-id"], "req-7");
    assert!(!headers.contains_key("baggage"), "{headers:?}");
}

#[tokio::test]
async fn outside_of_any_request_a_call_carries_nothing() {
    let (server, mut told) = mirror().await;
    client(server).get(url("stock.internal", server)).send().await.unwrap();
    let headers = next(&mut told).await;
    for name in ["x-request-id", "traceparent", "tracestate", "baggage", "x-request-timeout-ms"] {
        assert!(!headers.contains_key(name), "{headers:?}");
    }
}

#[tokio::test]
async fn a_response_is_the_same_as_without() {
    let (server, _told) = mirror().await;
    let plain = crate::support::plain(server).build().unwrap();
    let theirs = plain.get(url("stock.internal", server)).send().await.unwrap();
    let ours = client(server).get(url("stock.internal", server)).send().await.unwrap();
    assert_eq!((ours.status(), ours.url(), ours.version()), (theirs.status(), theirs.url(), theirs.version()));
    assert_eq!(ours.remote_addr(), theirs.remote_addr());
    assert_eq!(ours.content_length(), theirs.content_length());
    assert_eq!(ours.headers()["content-type"], theirs.headers()["content-type"]);
    assert_eq!(ours.text().await.unwrap(), theirs.text().await.unwrap());
}

#[test]
fn the_earlier_of_a_requests_timeout_and_the_routines_deadline_is_told() {
    let prepared = |timeout: Option<Duration>, token: Token| {
        let mut request = Request::new(Method::GET, "http://stock.internal/".parse().unwrap());
        *request.timeout_mut() = timeout;
        token.sync_scope(|| prepare(&fleet(), &mut request)).unwrap();
        left(request.headers())
    };
    let short = LONG / 10;
    assert!(prepared(None, with_timeout(LONG)) > 60_000);
    assert!(prepared(Some(short), with_timeout(LONG)) <= 60_000);
    assert!(prepared(Some(LONG), with_timeout(short)) <= 60_000);
    assert!(prepared(Some(short), Token::new()) <= 60_000);
}

#[test]
fn what_is_refused_is_left_as_it_was() {
    let mut request = Request::new(Method::GET, "http://stock.internal/".parse().unwrap());
    let refused = with_timeout(Duration::ZERO).sync_scope(|| {
        let bound = || TENANT.sync_scope("acme".into(), || prepare(&fleet(), &mut request));
        REQUEST_ID.sync_scope(RequestId::random(), || TRACE.sync_scope(TraceContext::new_root(), bound))
    });
    assert!(matches!(refused, Err(Cause::DeadlineExceeded)));
    assert!(request.headers().is_empty());
}
