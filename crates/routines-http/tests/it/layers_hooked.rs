//! Owns what dumps show of a request in a build with runtime hooks, where the tasks that poll it are routines, too.

use std::pin::pin;

use http::{Request, Response};
use http_body_util::BodyExt;
use routines::NamedValue;
use routines_http::ServerLayer;
use routines_tokio::Flow;
use tower::{Layer, ServiceExt, service_fn};

use crate::layers_support::{Error, Script, Then};
use crate::support::fleet;

fn of_request(id: &str) -> Vec<Option<String>> {
    let shows = |(name, value): &(String, NamedValue)| name == "request_id" && *value == NamedValue::Str(id.into());
    routines::all().into_iter().filter(|routine| routine.values.iter().any(shows)).map(|routine| routine.name).collect()
}

#[test]
fn a_request_in_a_hooked_task_is_one_routine_and_its_task_is_none_of_it() {
    const ID: &str = "hooked-one-routine";
    let one = || vec![Some("GET /hooked".to_owned())];
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = Flow::new().install(builder.worker_threads(2).enable_all()).build().unwrap();
    let request = Request::get("/hooked").header("x-request-id", ID).body(()).unwrap();
    let service = ServerLayer::new(&fleet()).layer(service_fn(move |_: Request<()>| async move {
        for _ in 0..3 {
            assert_eq!(of_request(ID), one());
            tokio::task::yield_now().await;
        }
        Ok::<_, Error>(Response::new(Script::new(&["row"], Then::Hangs)))
    }));
    let task = runtime.spawn(async move {
        let mut body = pin!(service.oneshot(request).await.unwrap().into_body());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "row");
        for _ in 0..3 {
            let next = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(http_body::Body::poll_frame(body.as_mut(), cx).is_pending())
            });
            assert!(next.await);
            assert_eq!(of_request(ID), one());
            tokio::task::yield_now().await;
        }
        assert_eq!(of_request(ID).len(), 1);
    });
    runtime.block_on(task).unwrap();
    assert!(of_request(ID).is_empty());
}

/// What it does outside of one, too: the worker of a buffer is a task like any other, and belongs to whoever made it.
#[test]
fn a_buffer_that_is_made_in_a_request_calls_what_is_inside_it_for_that_request() {
    use routines_http::{ClientLayer, REQUEST_ID, RequestId};

    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = Flow::new().install(builder.enable_all()).build().unwrap();
    let echo = service_fn(async |request: Request<()>| {
        let mut response = Response::new(String::new());
        *response.headers_mut() = request.into_parts().0.headers;
        Ok::<_, std::convert::Infallible>(response)
    });
    runtime.block_on(async {
        let first = RequestId::parse("first").unwrap();
        let inside = || tower::buffer::Buffer::new(ClientLayer::new(&fleet()).layer(echo), 1);
        let buffer = REQUEST_ID.sync_scope(first, inside);
        let second = RequestId::parse("second").unwrap();
        let sent = REQUEST_ID.scope(second, buffer.oneshot(Request::new(()))).await.unwrap();
        assert_ne!(sent.headers().get("x-request-id").map(|id| id.to_str().unwrap()), Some("second"));
    });
}
