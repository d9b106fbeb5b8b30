//! Owns the promises of the policies of routes: what ends a request, what finishes it all the same, and in which order they are put.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use routines_cancel::{Cause, after_cancel, cancelled, with_timeout};
use routines_http::{DeadlineLayer, FinishLayer, REQUEST_ID, ServerLayer, let_client_leave};
use tokio::sync::mpsc::UnboundedSender;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::layers_support::{Error, Script, Then, careless, told_when_the_client_leaves};
use crate::support::{Told, fleet, soon};

fn timed(millis: &str) -> Request<()> {
    Request::get("/").header("x-request-timeout-ms", millis).body(()).unwrap()
}

/// Holds what a handler has: tells how it was let go.
struct Work(UnboundedSender<String>);

impl Drop for Work {
    fn drop(&mut self) {
        drop(self.0.send(format!("dropped: {:?}", routines_cancel::cause().map(|cause| cause.to_string()))));
    }
}

async fn work_until_told(tell: UnboundedSender<String>) -> Result<Response<String>, Infallible> {
    let _work = Work(tell.clone());
    tell.send("started".into()).unwrap();
    let cause = cancelled().await;
    // As a write that must not be torn apart.
    tokio::task::yield_now().await;
    tell.send(format!("told: {cause}")).unwrap();
    Ok(Response::new("written".into()))
}

// ===== deadlines =====

#[tokio::test]
async fn work_that_has_no_time_is_not_started() {
    let mut told = Told::new();
    let tell = told.0.clone();
    let work = service_fn(move |_: Request<()>| {
        tell.send("called".into()).unwrap();
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    });
    let late = with_timeout(Duration::ZERO);
    let mut finishing = DeadlineLayer::new().layer(FinishLayer::new().layer(work));
    let response = late.scope(finishing.ready().await.unwrap().call(Request::new(()))).await;
    assert_eq!(response.unwrap().status(), StatusCode::OK, "the call was made outside");
    assert_eq!(told.next().await, "called");
    let response = late.scope(async { finishing.ready().await.unwrap().call(Request::new(())).await }).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    tokio::task::yield_now().await;
    assert!(told.nothing_more());
}

#[tokio::test]
async fn a_deadline_outside_of_finishing_answers_and_lets_the_work_finish() {
    let mut told = Told::new();
    let tell = told.0.clone();
    let finishing = FinishLayer::new().layer(service_fn(move |_: Request<()>| work_until_told(tell.clone())));
    let service = ServerLayer::new(&fleet()).layer(DeadlineLayer::new().layer(finishing));
    assert_eq!(soon(service.oneshot(timed("20"))).await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(told.next().await, "started");
    assert_eq!(told.next().await, "told: deadline exceeded");
    assert_eq!(told.next().await, r#"dropped: Some("deadline exceeded")"#);
}

#[tokio::test]
async fn a_deadline_inside_of_finishing_tears_the_work_apart() {
    let mut told = Told::new();
    let tell = told.0.clone();
    let late = DeadlineLayer::new().layer(service_fn(move |_: Request<()>| work_until_told(tell.clone())));
    let service = ServerLayer::new(&fleet()).layer(FinishLayer::new().layer(late));
    assert_eq!(soon(service.oneshot(timed("20"))).await.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(told.next().await, "started");
    assert_eq!(told.next().await, r#"dropped: Some("deadline exceeded")"#);
    assert!(told.nothing_more());
}

#[tokio::test]
async fn a_response_that_has_begun_is_not_cut_off_by_its_deadline() {
    let service = ServerLayer::new(&fleet()).layer(DeadlineLayer::new().layer(service_fn(async |_: Request<()>| {
        let row = futures_util::stream::once(async { Ok::<_, Infallible>(cancelled().await.to_string()) });
        Ok::<_, Infallible>(Response::new(Body::from_stream(row)))
    })));
    let response = soon(service.oneshot(timed("20"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "deadline exceeded");
}

#[tokio::test]
async fn a_late_call_is_answered_in_the_protocol_it_came_by() {
    for (kind, status) in [
        ("application/grpc", Some("4")),
        ("application/grpc+proto", Some("4")),
        ("application/grpc-web+proto", Some("4")),
        ("application/grpc-web-text", Some("4")),
        ("application/json", None),
        ("text/plain", None),
    ] {
        let hang = service_fn(async |_: Request<()>| {
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let service = ServerLayer::new(&fleet()).layer(DeadlineLayer::new().layer(hang));
        let mut request = timed("5");
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        let response = soon(service.oneshot(request)).await.unwrap();
        assert_eq!(response.headers().get("grpc-status").map(|status| status.to_str().unwrap()), status, "{kind}");
        match status {
            Some(_) => assert_eq!(
                (response.status(), response.headers()["content-type"].to_str().unwrap()),
                (StatusCode::OK, kind)
            ),
            None => assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT),
        }
    }
}

#[tokio::test]
async fn a_request_that_is_cancelled_for_another_cause_is_unavailable() {
    let shop = routines_cancel::Token::new();
    let closing = shop.clone();
    let hang = service_fn(move |_: Request<()>| {
        closing.cancel_with("the shop is closing");
        std::future::pending::<Result<Response<String>, Infallible>>()
    });
    let service = ServerLayer::new(&fleet()).layer(DeadlineLayer::new().layer(hang));
    let response = soon(shop.scope(service.oneshot(Request::new(())))).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

// ===== finishing =====

const GET: &str = "GET / HTTP/1.1\nhost: x\n\n";

#[tokio::test]
async fn letting_the_client_leave_twice_and_from_what_a_handler_spawned_is_the_same() {
    let twice = |_| async {
        let_client_leave();
        routines_tokio::spawn(async { let_client_leave() }).await.unwrap();
        careless(Response::new(Script::new(&["first"], Then::Hangs)))
    };
    assert_eq!(told_when_the_client_leaves(GET, "first", twice).await, ["gone"]);
    let spawned = |_| async {
        routines_tokio::spawn(async { let_client_leave() }).await.unwrap();
        Ok(Response::new(Script::new(&["first"], Then::Hangs)))
    };
    assert_eq!(told_when_the_client_leaves(GET, "first", spawned).await, ["gone"]);
    let detached = |_| async {
        routines_tokio::spawn_detached(async { let_client_leave() }).await.unwrap();
        Ok(Response::new(Script::new(&["first"], Then::Hangs)))
    };
    assert_eq!(told_when_the_client_leaves(GET, "first", detached).await, ["the client went away", "gone"]);
}

#[tokio::test]
async fn letting_the_client_leave_outside_a_request_or_too_late_does_nothing() {
    let_client_leave();
    let mut told = Told::new();
    let tell = told.0.clone();
    let service = ServerLayer::new(&fleet()).layer(service_fn(move |_: Request<()>| {
        let tell = tell.clone();
        async move {
            after_cancel(move |cause| {
                let_client_leave();
                tell.send(cause.to_string()).unwrap();
            })
            .detach();
            std::future::pending::<()>().await;
            Ok::<_, Error>(Response::new(Script::new(&[], Then::End)))
        }
    }));
    let mut call = Box::pin(service.oneshot(Request::new(())));
    let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
    assert!(polled);
    drop(call);
    assert_eq!(told.next().await, "the client went away");
}

#[tokio::test]
async fn the_call_of_a_finishing_route_begins_the_work_before_anybody_polls() {
    let mut told = Told::new();
    let tell = told.0.clone();
    let mut service = ServerLayer::new(&fleet()).layer(FinishLayer::new().layer(service_fn(move |_: Request<()>| {
        let tell = tell.clone();
        async move {
            tokio::task::yield_now().await;
            tell.send(format!("written {} {:?}", REQUEST_ID.get().unwrap(), routines_cancel::cause())).unwrap();
            Ok::<_, Error>(Response::new(Script::new(&[], Then::End)))
        }
    })));
    let mut request = Request::new(());
    request.headers_mut().insert("x-request-id", "req-7".parse().unwrap());
    drop(service.ready().await.unwrap().call(request));
    assert_eq!(told.next().await, "written req-7 None");
}

#[tokio::test]
async fn the_body_of_a_finishing_route_ends_with_its_client_and_nothing_is_told_of_it() {
    let finishing = |request| async {
        let rows = |_| std::future::ready(Ok::<_, Error>(Response::new(Script::new(&["first"], Then::Hangs))));
        FinishLayer::new().layer(service_fn(rows)).oneshot(request).await
    };
    assert_eq!(told_when_the_client_leaves(GET, "first", finishing).await, ["gone"]);
}

#[test]
fn a_runtime_that_shuts_down_drops_what_finishes_and_what_waits_for_it() {
    let mut told = Told::new();
    let tell = told.0.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let service = ServerLayer::new(&fleet()).layer(FinishLayer::new().layer(service_fn(move |_: Request<()>| {
        let work = Work(tell.clone());
        async move {
            work.0.send("started".into()).unwrap();
            std::future::pending::<()>().await;
            drop(work);
            Ok::<_, Error>(Response::new(Script::new(&[], Then::End)))
        }
    })));
    runtime.spawn(service.oneshot(Request::new(())));
    runtime.block_on(async { assert_eq!(told.next().await, "started") });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(other.block_on(told.next()), "dropped: None");
    assert!(!matches!(routines_cancel::cause(), Some(Cause::Disconnected)));
}
