//! A response's body is made by its handler and polled when that has returned: what it sees, and what it leaves.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::{Body, Frame};
use hyper::{Request, Response, Uri, Version};
use routines::{Kind, Local, RoutineId, RoutineInfo};
use routines_hyper::{BodyExt as _, Carried, RoutineExecutor};
use tokio::sync::{Notify, mpsc};

use crate::support::{Lives, Log, OnDrop, Value, id_of, pool, request, runtime, serve};

static REQUEST: Local<Value> = Local::new().named("request of a body");

const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// Three parts, made one at a time while the body is sent.
fn parts<T: Send>(make: impl Fn() -> T + Clone + Send) -> impl Stream<Item = T> + Send {
    stream::iter(0..3).then(move |_| {
        let make = make.clone();
        async move {
            tokio::task::yield_now().await;
            make()
        }
    })
}

fn data(text: String) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(text.into()))
}

type Rows = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

fn rows() -> Rows {
    let rows = parts(|| data(format!("{:?};", REQUEST.with(|request| request.id))));
    StreamBody::new(rows).boxed_unsync()
}

/// What a client reads of a body that is wrapped by `wrap`.
fn read<B>(version: Version, wrap: fn(Rows) -> B) -> String
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    runtime().block_on(async {
        let lives = Lives::default();
        let made = lives.clone();
        let address = serve(RoutineExecutor::detached(), move |request| {
            let value = made.value(id_of(&request));
            REQUEST.scope(value, async move { Response::new(wrap(rows())) })
        });
        let text = request(&pool(RoutineExecutor::detached(), version), address.await, 7).await;
        assert_eq!(lives.settle(0).await, 0, "the body keeps nothing when it has been sent");
        text
    })
}

#[test]
fn r02_a_streaming_body_reads_its_requests_id_after_the_handler_returned() {
    for version in VERSIONS {
        assert_eq!(read(version, |rows| rows.inherit()), "Some(7);Some(7);Some(7);", "{version:?}");
    }
}

#[test]
fn without_a_wrapper_a_body_reads_nothing() {
    for version in VERSIONS {
        assert_eq!(read(version, |rows| rows), "None;None;None;", "{version:?}");
    }
}

#[test]
fn r07_a_detached_body_reads_nothing() {
    for version in VERSIONS {
        assert_eq!(read(version, |rows| rows.detached()), "None;None;None;", "{version:?}");
    }
}

#[test]
fn r09_the_body_of_a_spawned_handler_is_one_routine_its_child() {
    for version in VERSIONS {
        let seen: Log<RoutineInfo> = Log::new();
        let handlers: Log<RoutineId> = Log::new();
        runtime().block_on(async {
            let (log, made) = (seen.clone(), handlers.clone());
            let address = serve(RoutineExecutor::detached(), move |_| {
                let (log, made) = (log.clone(), made.clone());
                async move {
                    let handler = routines_tokio::spawn(async move {
                        made.add(routines::id());
                        let look = move || log.add(routines::current().info().expect("it is a routine"));
                        let rows = parts(move || {
                            look();
                            data(String::from("row"))
                        });
                        Response::new(StreamBody::new(rows).inherit())
                    });
                    handler.await.expect("no panic")
                }
            });
            let text = request(&pool(RoutineExecutor::detached(), version), address.await, 7).await;
            assert_eq!(text, "row".repeat(3));
        });
        let (seen, handler) = (seen.all(), handlers.all()[0]);
        assert_eq!(seen.len(), 3, "{version:?}");
        for info in &seen {
            let expected = (seen[0].id, Some(handler), Kind::Task);
            assert_eq!((info.id, info.parent, info.kind), expected, "{version:?}");
        }
        assert!(seen[0].id != handler && !routines::ids().contains(&seen[0].id), "{version:?}");
    }
}

/// Breaks a body off when it has sent its first part: it panics, or its client hangs up. Returns what it saw when it was
/// dropped.
fn broken_off(version: Version, panics: bool) -> Vec<Option<usize>> {
    let (seen, lives) = (Log::new(), Lives::default());
    let (dropped, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    runtime().block_on(async {
        let (log, made, tell, wait) = (seen.clone(), lives.clone(), dropped.clone(), go_on.clone());
        let address = serve(RoutineExecutor::detached(), move |request| {
            let (log, tell, wait, value) = (log.clone(), tell.clone(), wait.clone(), made.value(id_of(&request)));
            REQUEST.scope(value, async move {
                let owned = OnDrop(move || {
                    log.add(REQUEST.with(|request| request.id));
                    tell.notify_one();
                });
                let rows = stream::unfold((owned, wait, 0), async move |(owned, wait, sent)| {
                    if sent == 0 {
                        return Some((data(String::from("first")), (owned, wait, 1)));
                    }
                    wait.notified().await;
                    std::panic::resume_unwind(Box::new("on purpose"))
                });
                Response::new(StreamBody::new(rows).inherit())
            })
        });
        let pool = pool(RoutineExecutor::detached(), version);
        let uri: Uri = format!("http://{}/", address.await).parse().expect("an address is an authority");
        let request = Request::get(uri).header(crate::support::REQUEST_ID, 7).body(Empty::new());
        let mut response = pool.request(request.expect("it is complete")).await.expect("the server answers");
        let first = response.frame().await.expect("there is one");
        assert_eq!(first.ok().and_then(|frame| frame.into_data().ok()).as_deref(), Some(&b"first"[..]));
        if panics {
            go_on.notify_one();
            assert!(response.frame().await.is_none_or(|frame| frame.is_err()));
        }
        drop(response);
        dropped.notified().await;
        assert_eq!(lives.settle(0).await, 0, "{version:?}");
    });
    seen.all()
}

#[test]
fn r11_a_body_whose_client_hangs_up_is_dropped_inside_its_context() {
    for version in VERSIONS {
        assert_eq!(broken_off(version, false), [Some(7)], "{version:?}");
    }
}

#[test]
fn r10_a_body_that_panics_is_dropped_inside_its_context() {
    for version in VERSIONS {
        assert_eq!(broken_off(version, true), [Some(7)], "{version:?}");
    }
}

#[test]
fn r11_a_body_is_dropped_inside_its_context_by_a_runtime_that_shuts_down() {
    for version in VERSIONS {
        let (seen, lives) = (Log::new(), Lives::default());
        let runtime = runtime();
        runtime.block_on(async {
            let (sender, mut started) = mpsc::unbounded_channel();
            let (log, made) = (seen.clone(), lives.clone());
            let address = serve(RoutineExecutor::detached(), move |request| {
                let (log, sender, value) = (log.clone(), sender.clone(), made.value(id_of(&request)));
                REQUEST.scope(value, async move {
                    let owned = OnDrop(move || log.add(REQUEST.with(|request| request.id)));
                    let rows = stream::once(async move {
                        let _owned = owned;
                        sender.send(()).expect("the test waits");
                        std::future::pending().await
                    });
                    Response::new(StreamBody::new(rows).inherit())
                })
            });
            let (pool, address) = (pool(RoutineExecutor::detached(), version), address.await);
            drop(tokio::spawn(async move { request(&pool, address, 7).await }));
            started.recv().await.expect("it starts");
        });
        drop(runtime);
        assert_eq!(seen.all(), [Some(7)], "{version:?}");
        assert_eq!(crate::support::runtime().block_on(lives.settle(0)), 0, "{version:?}");
    }
}

#[test]
fn a_carried_body_is_named_by_its_own_type() {
    fn is_body<B: Body<Data = Bytes> + Send>(_: &B) -> bool {
        true
    }
    let body: Carried<Empty<Bytes>> = Empty::new().inherit();
    assert!(is_body(&body) && body.is_end_stream());
}

#[cfg(tokio_unstable)]
#[test]
fn r09_a_body_that_is_the_first_thing_a_hooked_task_polls_is_not_taken_for_the_task() {
    let ids = stream::repeat_with(|| data(routines::id().to_string()));
    let mut body = StreamBody::new(ids).inherit();
    let runtime = runtime();
    let (mut bodies, mut tasks) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let polled = runtime.block_on(async {
            let task = tokio::spawn(async move {
                let frame = body.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
                (body, frame, routines::try_id().filter(|id| routines::ids().contains(id)))
            });
            task.await.expect("no panic")
        });
        body = polled.0;
        bodies.push(polled.1.expect("it never ends"));
        tasks.push(polled.2.expect("the task is listed").to_string());
    }
    assert_eq!(bodies[0], bodies[1]);
    assert!(!tasks.iter().any(|task| *task.as_bytes() == bodies[0]));
}
