//! Owns what happens at the edges of the server's layer: services that break its habits, hostile paths, and what dumps show.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use routines::{NamedValue, RoutineInfo};
use routines_http::{FinishLayer, Propagation, REQUEST_ID, ServerLayer, Trust};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::layers_support::{Error, Script, Then};
use crate::support::{TENANT, fleet, soon};

fn to(path: &str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// All that lives and has this name.
fn named(name: &str) -> Vec<RoutineInfo> {
    routines::all().into_iter().filter(|routine| routine.name.as_deref() == Some(name)).collect()
}

/// All that lives and belongs to this request.
fn of_request(id: &str) -> Vec<RoutineInfo> {
    let shows = |routine: &RoutineInfo| {
        routine.values.iter().any(|(name, value)| name == "request_id" && *value == NamedValue::Str(id.into()))
    };
    routines::all().into_iter().filter(shows).collect()
}

// ===== services =====

/// Refuses to be called without having been asked whether it is ready; cannot be cloned.
struct Strict {
    ready: bool,
}

impl Service<Request<()>> for Strict {
    type Response = Response<Script>;
    type Error = Error;
    type Future = std::future::Ready<Result<Response<Script>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        std::future::ready(Ok(Response::new(Script::new(&["strict"], Then::End))))
    }
}

#[tokio::test]
async fn a_service_need_not_be_cloned_and_is_called_as_often_as_it_was_ready() {
    let layer = ServerLayer::new(&fleet());
    let mut service = layer.clone().layer(Strict { ready: false });
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(to("/")).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "strict");
    }
}

#[tokio::test]
async fn a_service_that_panics_when_it_is_called_leaves_no_context_behind() {
    let mut service = ServerLayer::new(&fleet()).layer(service_fn(|_: Request<()>| {
        assert!(REQUEST_ID.get().is_some());
        assert_eq!(1, 2, "broken");
        async { Ok::<_, Error>(Response::new(Script::new(&[], Then::End))) }
    }));
    let call = catch_unwind(AssertUnwindSafe(|| service.call(to("/panics-when-called"))));
    assert!(call.is_err());
    assert_eq!((REQUEST_ID.get(), routines_cancel::Token::current().is_none()), (None, true));
    assert!(named("GET /panics-when-called").is_empty());
}

/// What the second layer believes, it believes for itself.
#[tokio::test]
async fn a_second_layer_begins_the_request_anew() {
    let ids =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(REQUEST_ID.get().unwrap().to_string())));
    let inner = ServerLayer::new(&fleet()).layer(ids);
    let outer = ServerLayer::new(&fleet()).trust(Trust::Nobody).layer(inner);
    let mut request = to("/");
    request.headers_mut().insert("x-request-id", "forged".parse().unwrap());
    let response = outer.oneshot(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "forged");
}

// ===== names =====

async fn name_of(request: Request<()>) -> String {
    let name =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(routines::current().name().unwrap())));
    let response = ServerLayer::new(&Propagation::new()).layer(name).oneshot(request).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_name_is_short_whatever_was_asked_for() {
    assert_eq!(name_of(to("/a/b?secret=1")).await, "GET /a/b");
    assert_eq!(name_of(to("http://user:secret@host/a")).await, "GET /a");
    assert!(name_of(to(&format!("/{}", "x".repeat(10_000)))).await.len() <= 100);
    let name = name_of(to(&format!("/{}", "é".repeat(5_000)))).await;
    assert!(name.len() <= 260 && name.starts_with("GET /%C3%A9%C3%A9") && name.ends_with("%C3%A9"), "{name}");
    let method = Method::from_bytes("M".repeat(10_000).as_bytes()).unwrap();
    assert!(name_of(Request::builder().method(method).uri("/").body(()).unwrap()).await.len() <= 120);
    let connect = Request::builder().method(Method::CONNECT).uri("host:443").body(()).unwrap();
    assert_eq!(name_of(connect).await.trim_end(), "CONNECT");
}

#[tokio::test]
async fn a_name_has_no_characters_that_control_a_terminal() {
    for path in ["/\u{7f}[2J", "/a\u{9b}2J", "/a\u{202e}b"] {
        let Ok(request) = Request::get(path).body(()) else { continue };
        let name = name_of(request).await;
        assert!(!name.contains(|c: char| c.is_control() || c == '\u{202e}'), "{name:?}");
    }
}

// ===== dumps =====

#[tokio::test]
async fn a_dump_shows_one_routine_for_each_request_that_runs_and_none_after() {
    let id = "the-one-routine";
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let wait = std::sync::Mutex::new(Some(wait));
    let service = ServerLayer::new(&fleet()).layer(service_fn(move |_: Request<()>| {
        let wait = wait.lock().unwrap().take().unwrap();
        async move {
            wait.await.unwrap();
            Ok::<_, Error>(Response::new(Script::new(&["row"], Then::Hangs)))
        }
    }));
    let mut request = to("/one-routine");
    request.headers_mut().insert("x-request-id", id.parse().unwrap());
    let caller = routines::id();
    let mut call = Box::pin(service.oneshot(request));
    assert!(of_request(id).is_empty());
    for _ in 0..2 {
        assert!(poll_once(call.as_mut()).await.is_pending());
        let all = of_request(id);
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(all[0].name.as_deref(), Some("GET /one-routine"));
        assert_eq!(all[0].parent.unwrap(), caller);
    }
    go.send(()).unwrap();
    let mut body = Box::pin(soon(call).await.unwrap().into_body());
    assert!(of_request(id).is_empty(), "the handler has ended and the body not begun");
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "row");
    assert!(poll_once(pin!(body.frame())).await.is_pending());
    let all = of_request(id);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0].name.as_deref(), Some("GET /one-routine"));
    assert!(all[0].spawned_at.as_deref().unwrap().contains("routines-http"), "{all:?}");
    drop(body);
    assert!(of_request(id).is_empty());
}

#[tokio::test]
async fn a_finishing_route_shows_the_task_that_finishes_it_and_nothing_after() {
    let id = "finishing-routine";
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let wait = std::sync::Mutex::new(Some(wait));
    let service = ServerLayer::new(&fleet()).layer(FinishLayer::new().layer(service_fn(move |_: Request<()>| {
        let wait = wait.lock().unwrap().take().unwrap();
        async move {
            wait.await.unwrap();
            Ok::<_, Error>(Response::new(Script::new(&[], Then::End)))
        }
    })));
    let mut request = to("/finishing");
    request.headers_mut().insert("x-request-id", id.parse().unwrap());
    let mut call = Box::pin(service.oneshot(request));
    assert!(poll_once(call.as_mut()).await.is_pending());
    assert_eq!((of_request(id).len(), named("GET /finishing").len()), (2, 1));
    drop(call);
    assert_eq!((of_request(id).len(), named("GET /finishing").len()), (1, 0));
    go.send(()).unwrap();
    let mut yields = 0..1000;
    while !of_request(id).is_empty() {
        yields.next().expect("it ends");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_is_in_no_dump() {
    let service = ServerLayer::new(&fleet()).layer(service_fn(async |_: Request<()>| {
        std::future::pending::<()>().await;
        Ok::<_, Error>(Response::new(Script::new(&[], Then::End)))
    }));
    let mut call = Box::pin(service.oneshot(to("/dropped")));
    assert!(poll_once(call.as_mut()).await.is_pending());
    assert_eq!(named("GET /dropped").len(), 1);
    drop(call);
    assert!(named("GET /dropped").is_empty());
}

#[tokio::test]
async fn what_a_handler_sets_is_gone_with_its_request() {
    let service = ServerLayer::new(&fleet()).layer(service_fn(async |_: Request<()>| {
        TENANT.set("set".into());
        Ok::<_, Error>(Response::new(Script::new(&[], Then::End)))
    }));
    let response = service.oneshot(to("/")).await.unwrap();
    assert_eq!(TENANT.get(), None);
    drop(response);
    assert_eq!(TENANT.get(), None);
}
