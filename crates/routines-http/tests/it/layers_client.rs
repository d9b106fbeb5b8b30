//! Owns what the client's layer does between the layers of others, and which hosts it believes.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use routines::Bindings;
use routines_cancel::{Cause, Token, with_timeout};
use routines_http::{ClientLayer, REQUEST_ID, RequestId};
use tower::balance::p2c::Balance;
use tower::buffer::Buffer;
use tower::discover::ServiceList;
use tower::limit::ConcurrencyLimit;
use tower::load::Constant;
use tower::retry::{Policy, Retry};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

use crate::support::{REGION, TENANT, fleet, soon};

type Sent = Response<String>;

/// Answers with what it was sent.
fn echo()
-> impl Service<Request<()>, Response = Sent, Error = Infallible, Future = Ready<Result<Sent, Infallible>>> + Clone {
    service_fn(|request: Request<()>| ready(Ok(mirror(request))))
}

fn mirror(request: Request<()>) -> Sent {
    let mut response = Response::new(request.uri().to_string());
    let parts = request.into_parts().0;
    (*response.headers_mut(), *response.extensions_mut()) = (parts.headers, parts.extensions);
    response
}

fn to(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

fn id(text: &str) -> RequestId {
    RequestId::parse(text).unwrap()
}

fn all() -> Bindings {
    Bindings::new().with(&REQUEST_ID, id("req-7")).with(&TENANT, "acme".to_owned()).with(&REGION, "eu".to_owned())
}

fn millis(headers: &HeaderMap) -> u64 {
    headers["x-request-timeout-ms"].to_str().unwrap().parse().unwrap()
}

// ===== when =====

#[tokio::test]
async fn what_goes_along_is_what_is_bound_when_the_service_is_called() {
    let mut client = ClientLayer::new(&fleet()).layer(echo());
    let lazy = client.clone().oneshot(to("http://stock.internal/"));
    assert_eq!(
        all().scope(lazy).await.unwrap().headers()["x-request-id"],
        "req-7",
        "`oneshot` calls where it is polled"
    );
    let service = client.ready().await.unwrap();
    let called = all().sync_scope(|| service.call(to("http://stock.internal/")));
    assert_eq!(called.await.unwrap().headers()["x-request-id"], "req-7", "`call` is where it is");
}

#[tokio::test]
async fn a_call_ends_with_the_token_it_was_called_under_wherever_it_is_awaited() {
    let hang = service_fn(|_: Request<()>| std::future::pending::<Result<Sent, Infallible>>());
    let token = Token::new();
    let mut client = ClientLayer::new(&fleet()).layer(hang);
    let call = token.sync_scope(|| client.call(to("http://stock/")));
    let waiting = tokio::spawn(call);
    token.cancel_with(Cause::Disconnected);
    let error = soon(waiting).await.unwrap().unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Cause::Disconnected)));
}

#[tokio::test]
async fn a_request_keeps_all_else_it_has() {
    #[derive(Clone, PartialEq, Debug)]
    struct Kept(u8);
    let mut request = to("http://stock.internal/a?b=c");
    request.extensions_mut().insert(Kept(7));
    request.headers_mut().append("accept", "a".parse().unwrap());
    request.headers_mut().append("accept", "b".parse().unwrap());
    let call = ClientLayer::new(&fleet()).layer(echo()).oneshot(request);
    let sent = all().scope(call).await.unwrap();
    assert_eq!((sent.extensions().get(), sent.headers().get_all("accept").iter().count()), (Some(&Kept(7)), 2));
    assert_eq!(sent.into_body().collect().await.unwrap().to_bytes(), "http://stock.internal/a?b=c");
}

// ===== between others =====

/// Tries three times.
#[derive(Clone)]
struct Thrice(u8);

impl<R> Policy<Request<()>, R, BoxError> for Thrice {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<()>, _: &mut Result<R, BoxError>) -> Option<Ready<()>> {
        self.0 = self.0.checked_sub(1)?;
        // Some of the time is over by the next try.
        let before = routines_cancel::remaining().unwrap();
        while before - routines_cancel::remaining().unwrap() < Duration::from_millis(2) {
            std::thread::yield_now();
        }
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<()>) -> Option<Request<()>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn each_try_tells_the_time_left_if_the_layer_is_inside_of_the_retry() {
    let (tell, told) = std::sync::mpsc::channel();
    let sent = service_fn(move |request: Request<()>| {
        tell.send(millis(request.headers())).unwrap();
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    let client = Retry::new(Thrice(2), ClientLayer::new(&fleet()).layer(sent));
    with_timeout(Duration::from_secs(60)).scope(client.oneshot(to("http://stock/"))).await.unwrap();
    let left: Vec<_> = told.try_iter().collect();
    assert!(left.len() == 3 && left[0] > left[1] && left[1] > left[2], "{left:?}");
}

#[tokio::test]
async fn a_call_with_no_time_left_is_not_tried_again() {
    let (tell, told) = std::sync::mpsc::channel();
    let token = Token::new();
    let cancel = token.clone();
    let sent = service_fn(move |_: Request<()>| {
        tell.send(()).unwrap();
        cancel.cancel();
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    #[derive(Clone)]
    struct Once;
    impl<R> Policy<Request<()>, R, BoxError> for Once {
        type Future = Ready<()>;

        fn retry(&mut self, _: &mut Request<()>, result: &mut Result<R, BoxError>) -> Option<Ready<()>> {
            // As a careless policy, but for the one error that will not go away.
            let refused = result.as_ref().is_err_and(|error| error.downcast_ref::<Cause>().is_some());
            (!refused).then(|| ready(()))
        }

        fn clone_request(&mut self, request: &Request<()>) -> Option<Request<()>> {
            Some(request.clone())
        }
    }
    let client = Retry::new(Once, ClientLayer::new(&fleet()).layer(sent));
    assert!(soon(token.scope(client.oneshot(to("http://stock/")))).await.is_err());
    assert_eq!(told.try_iter().count(), 1);
}

/// A buffer calls what is in it on a task of its own, which belongs to no request.
#[tokio::test]
async fn the_layer_belongs_outside_of_a_buffer() {
    let outside = ClientLayer::new(&fleet()).layer(Buffer::new(echo(), 1));
    let headers = all().scope(outside.oneshot(to("http://stock.internal/"))).await.unwrap().into_parts().0.headers;
    assert_eq!(
        (&headers["x-request-id"], &headers["baggage"]),
        (&"req-7".parse().unwrap(), &"tenant=acme".parse().unwrap())
    );
    let inside = Buffer::new(ClientLayer::new(&fleet()).layer(echo()), 1);
    let headers = all().scope(inside.oneshot(to("http://stock.internal/"))).await.unwrap().into_parts().0.headers;
    #[cfg(not(tokio_unstable))]
    assert!(headers.is_empty(), "{headers:?}");
    drop(headers);
}

#[tokio::test]
async fn the_layer_may_be_around_a_balance_and_inside_of_it() {
    let replicas = ServiceList::new([Constant::new(echo(), 1), Constant::new(echo(), 1)]);
    let around = ClientLayer::new(&fleet()).layer(Balance::new(replicas));
    assert_eq!(all().scope(around.oneshot(to("http://stock/"))).await.unwrap().headers()["x-request-id"], "req-7");
    let layer = ClientLayer::new(&fleet());
    let replicas = ServiceList::new([(); 2].map(|()| Constant::new(layer.layer(echo()), 1)));
    let inside = Balance::new(replicas);
    assert_eq!(all().scope(inside.oneshot(to("http://stock/"))).await.unwrap().headers()["x-request-id"], "req-7");
}

#[tokio::test]
async fn a_refused_call_leaves_the_service_ready_for_the_next_one() {
    let mut client = ClientLayer::new(&fleet()).layer(ConcurrencyLimit::new(echo(), 1));
    let other = client.clone();
    for _ in 0..3 {
        let service = soon(client.ready()).await.unwrap();
        let call = with_timeout(Duration::ZERO).sync_scope(|| service.call(to("http://stock/")));
        assert!(call.await.is_err());
    }
    assert!(soon(client.ready()).await.unwrap().call(to("http://stock/")).await.is_ok());
    // What was made ready for the refused call was used by the one after it, and is free.
    assert!(soon(other.oneshot(to("http://stock/"))).await.is_ok());
}

#[tokio::test]
async fn a_call_that_was_refused_says_so_once_and_is_not_sent() {
    let sent = service_fn(|_: Request<()>| -> Ready<Result<Sent, Infallible>> { panic!("it was sent") });
    let mut client = ClientLayer::new(&fleet()).layer(sent);
    let mut call = pin!(with_timeout(Duration::ZERO).sync_scope(|| client.call(to("http://stock/"))));
    let refused = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
    assert!(
        matches!(refused, Poll::Ready(Err(error)) if error.downcast_ref::<Cause>().is_some_and(Cause::is_deadline))
    );
}

// ===== deadlines of the request's own =====

#[tokio::test]
async fn a_deadline_header_of_the_requests_own_counts_if_it_is_earlier_and_readable() {
    async fn left(own: &[&str], ambient: Option<u64>) -> Option<u64> {
        let mut request = to("http://stock/");
        for own in own {
            request.headers_mut().append("x-request-timeout-ms", own.parse().unwrap());
        }
        let call = ClientLayer::new(&fleet()).layer(echo()).oneshot(request);
        let sent = match ambient {
            Some(millis) => with_timeout(Duration::from_millis(millis)).scope(call).await,
            None => call.await,
        };
        let headers = sent.unwrap().into_parts().0.headers;
        assert!(headers.get_all("x-request-timeout-ms").iter().count() <= 1, "{headers:?}");
        Some(headers.get("x-request-timeout-ms")?.to_str().unwrap().parse().unwrap_or(0))
    }
    assert_eq!(left(&["500"], Some(60_000)).await, Some(500));
    assert!(left(&["900000"], Some(60_000)).await.is_some_and(|left| (50_000..=60_000).contains(&left)));
    assert!(left(&["soon"], Some(60_000)).await.is_some_and(|left| left > 50_000));
    assert!(left(&["-5"], Some(60_000)).await.is_some_and(|left| left > 50_000));
    assert!(left(&["99999999999999999999"], Some(60_000)).await.is_some_and(|left| (50_000..=60_000).contains(&left)));
    assert_eq!(left(&["500"], None).await, Some(500));
    assert_eq!(left(&[], None).await, None);
    assert_eq!(left(&["500", "400"], Some(60_000)).await, Some(400), "the earliest of several");
}

// ===== hosts =====

async fn gets_values(uri: &str) -> bool {
    let client = ClientLayer::new(&fleet()).layer(echo());
    all().scope(client.oneshot(to(uri))).await.unwrap().headers().contains_key("baggage")
}

#[tokio::test]
async fn values_go_to_the_host_of_the_uri_and_to_nothing_that_looks_like_it() {
    for ours in [
        "http://stock.internal/",
        "http://STOCK.Internal:8080/",
        "http://stock.internal./",
        "http://user:password@stock.internal/",
        "http://evil.com@stock.internal/",
        "https://a.b.internal",
        "http://127.0.0.1:7/",
    ] {
        assert!(gets_values(ours).await, "{ours}");
    }
    for theirs in [
        "http://stock.internal@evil.com/",
        "http://stock.internal:80@evil.com/",
        "http://internal/",
        "http://stock.internal.evil.com/",
        "http://evil.com/stock.internal",
        "http://evil.com?.internal",
        "http://[::1]/",
        "http://127.0.0.1.evil.com/",
        "/stock.internal",
        "*",
    ] {
        assert!(!gets_values(theirs).await, "{theirs}");
    }
}

#[tokio::test]
async fn a_host_header_says_nothing_about_where_a_request_goes() {
    let mut request = to("/path");
    request.headers_mut().insert("host", "stock.internal".parse().unwrap());
    let call = ClientLayer::new(&fleet()).layer(echo()).oneshot(request);
    assert!(!all().scope(call).await.unwrap().headers().contains_key("baggage"));
}

#[tokio::test]
async fn a_host_that_is_told_counts_where_the_uri_has_none() {
    let layer = ClientLayer::new(&fleet()).host("stock.internal");
    for (uri, values) in [("/path", true), ("http://evil.com/", false), ("http://other.internal/", true)] {
        let call = layer.layer(echo()).oneshot(to(uri));
        assert_eq!(all().scope(call).await.unwrap().headers().contains_key("baggage"), values, "{uri}");
    }
}

/// A client that follows redirects sends the headers it has to the next host. Inside of it, the layer takes them out.
#[tokio::test]
async fn inside_of_what_follows_redirects_the_layer_takes_values_out_for_another_host() {
    let (tell, told) = std::sync::mpsc::channel();
    let sent = service_fn(move |request: Request<()>| {
        let to = request.uri().host().unwrap().to_owned();
        tell.send((to, request.headers().contains_key("baggage"), request.headers().contains_key("x-region"))).unwrap();
        ready(Ok::<_, Infallible>(mirror(request)))
    });
    let client = ClientLayer::new(&fleet()).layer(sent);
    let follow = async {
        let first = client.clone().oneshot(to("http://stock.internal/")).await.unwrap();
        let mut second = to("http://evil.com/");
        *second.headers_mut() = first.into_parts().0.headers;
        client.clone().oneshot(second).await.unwrap();
    };
    all().scope(follow).await;
    assert_eq!(told.recv().unwrap(), ("stock.internal".into(), true, true));
    assert_eq!(told.recv().unwrap(), ("evil.com".into(), false, false));
}
