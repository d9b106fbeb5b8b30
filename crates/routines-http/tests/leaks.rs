//! Owns the promise that requests that are given up leave nothing: the counters are the process's, so these run one after the other.
#![allow(missing_docs, reason = "a test's name is its sentence")]
#![allow(
    clippy::await_holding_lock,
    reason = "each test has a runtime and a thread of its own, and no other task takes the lock"
)]

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use routines_cancel::{Token, after_cancel, cancelled, live_nodes, pending_timers};
use routines_http::{ClientLayer, DeadlineLayer, FinishLayer, Propagated, Propagation, REQUEST_ID, ServerLayer, TRACE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, Service, service_fn};

static TENANT: Propagated<String> = Propagated::baggage("tenant");

const MANY: usize = 20_000;
const HOUR: &str = "3600000";

fn fleet() -> Propagation {
    Propagation::new().key(&TENANT).baggage_to(["*.internal"])
}

/// What the process holds for requests.
fn held() -> (usize, usize, usize) {
    (live_nodes(), pending_timers(), routines::ids().len())
}

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the process holds once the test before this one has let go.
async fn at_rest() -> (usize, usize, usize) {
    settles((0, 0, usize::MAX)).await;
    held()
}

/// Holds no more than `before` soon: what another thread lets go at this moment is gone then.
async fn settles(before: (usize, usize, usize)) {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let (nodes, timers, routines) = held();
        if nodes <= before.0 && timers <= before.1 && routines <= before.2 {
            return;
        }
        assert!(Instant::now() < patience, "{before:?} became {:?}", held());
        tokio::task::yield_now().await;
    }
}

fn patient() -> Request<Body> {
    Request::get("/").header("x-request-timeout-ms", HOUR).header("baggage", "tenant=acme").body(Body::empty()).unwrap()
}

/// Starts what a request may start, and hangs in its body.
async fn busy(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    after_cancel(|_| ()).detach();
    let child = Token::current().unwrap().child_with_timeout(Duration::from_secs(1800));
    tokio::task::yield_now().await;
    let rows = stream::once(async { Ok::<_, Infallible>(Bytes::from("row")) }).chain(stream::pending());
    Ok(Response::new(Body::from_stream(rows.map(move |row| {
        let _child = &child;
        row
    }))))
}

#[tokio::test]
async fn requests_that_are_dropped_in_any_phase_leave_nothing() {
    let _alone = alone();
    let before = at_rest().await;
    let mut service = ServerLayer::new(&fleet()).layer(DeadlineLayer::new().layer(service_fn(busy)));
    let cx = &mut Context::from_waker(Waker::noop());
    let mut most = 0;
    for n in 0..MANY {
        let mut call = Box::pin(service.call(patient()));
        for _ in 0..n % 3 {
            if let std::task::Poll::Ready(response) = call.as_mut().poll(cx) {
                let mut body = pin!(response.unwrap().into_body());
                if n % 2 == 0 {
                    assert!(http_body::Body::poll_frame(body.as_mut(), cx).is_ready());
                    assert!(http_body::Body::poll_frame(body.as_mut(), cx).is_pending());
                }
                break;
            }
        }
        drop(call);
        most = most.max(live_nodes() + pending_timers());
    }
    assert!(most < 50, "{most} at a time");
    settles(before).await;
}

/// All of them open at the same time, as an attacker would have it.
#[tokio::test]
async fn requests_that_were_open_together_leave_nothing() {
    let _alone = alone();
    let before = at_rest().await;
    let mut service = ServerLayer::new(&fleet()).layer(service_fn(busy));
    let cx = &mut Context::from_waker(Waker::noop());
    let mut open: Vec<_> = (0..MANY).map(|_| Box::pin(service.call(patient()))).collect();
    assert!(open.iter_mut().all(|call| call.as_mut().poll(cx).is_pending()));
    let open_together = held();
    assert!(open_together.0 >= MANY && open_together.1 >= MANY && open_together.2 >= MANY, "{open_together:?}");
    let bodies: Vec<_> = open
        .iter_mut()
        .map(|call| match call.as_mut().poll(cx) {
            std::task::Poll::Ready(response) => response.unwrap().into_body(),
            std::task::Poll::Pending => unreachable!("it waits once"),
        })
        .collect();
    drop(open);
    drop(bodies);
    settles(before).await;
}

#[tokio::test]
async fn services_that_panic_leave_nothing() {
    let _alone = alone();
    let before = at_rest().await;
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let cx = &mut Context::from_waker(Waker::noop());
    for n in 0..1000 {
        let mut service = ServerLayer::new(&fleet()).layer(service_fn(move |_: Request<Body>| {
            assert_ne!(n % 2, 0, "in the call");
            async move {
                assert_eq!(n % 2, 0, "in the future");
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        }));
        let panicked =
            catch_unwind(AssertUnwindSafe(|| Box::pin(service.call(patient())).as_mut().poll(cx).is_ready()));
        assert!(panicked.is_err());
    }
    std::panic::set_hook(hook);
    settles(before).await;
}

#[tokio::test]
async fn connections_that_are_reset_leave_nothing() {
    let _alone = alone();
    let app = Router::new()
        .route("/hangs", get(async || cancelled().await.to_string()))
        .route("/streams", get(busy))
        .layer(ServerLayer::new(&fleet()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let reset = async |path: &str, wait: bool| {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.set_zero_linger().unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-request-timeout-ms: {HOUR}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        if wait {
            let mut some = [0; 1024];
            assert_ne!(client.read(&mut some).await.unwrap(), 0);
        }
    };
    reset("/streams", true).await;
    let before = held();
    for _ in 0..500 {
        reset("/hangs", false).await;
        reset("/streams", true).await;
        reset("/streams", false).await;
    }
    settles((0, 0, before.2)).await;
}

#[tokio::test]
async fn streams_that_are_reset_leave_nothing() {
    use http_body_util::Empty;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use hyper_util::service::TowerToHyperService;

    let _alone = alone();
    let app = Router::new().route("/", get(busy)).layer(ServerLayer::new(&fleet()));
    let (client, server) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(builder.serve_connection(TokioIo::new(server), TowerToHyperService::new(app)).await);
    });
    let client = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
    let (mut streams, connection): (hyper::client::conn::http2::SendRequest<Empty<Bytes>>, _) = client;
    tokio::spawn(connection);
    let mut reset = async || {
        let request = Request::get("http://x/").header("x-request-timeout-ms", HOUR).body(Empty::new()).unwrap();
        streams.ready().await.unwrap();
        // Dropped with a body that hangs.
        drop(streams.send_request(request).await.unwrap());
    };
    reset().await;
    let routines = held().2;
    for _ in 0..2000 {
        reset().await;
    }
    settles((0, 0, routines)).await;
}

#[tokio::test]
async fn routes_that_finish_leave_nothing_once_they_have() {
    let _alone = alone();
    let before = at_rest().await;
    let work = service_fn(async |_: Request<Body>| {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let mut service = ServerLayer::new(&fleet()).layer(FinishLayer::new().layer(work));
    for _ in 0..100 {
        for _ in 0..MANY / 100 {
            drop(service.call(patient()));
        }
        settles(before).await;
    }
}

#[tokio::test]
async fn calls_that_are_refused_or_dropped_leave_nothing_below_a_token_that_lives() {
    let _alone = alone();
    let before = at_rest().await;
    let server = Token::new();
    let hang = service_fn(async |_: Request<Body>| {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let mut client = ClientLayer::new(&fleet()).layer(hang);
    let cx = &mut Context::from_waker(Waker::noop());
    let mut calls = |many: usize| {
        for n in 0..many {
            server.sync_scope(|| {
                let mut call = Box::pin(client.call(patient()));
                assert!(call.as_mut().poll(cx).is_pending());
            });
            if n % 10 == 0 {
                let late = server.child_with_timeout(Duration::ZERO);
                late.sync_scope(|| assert!(Box::pin(client.call(patient())).as_mut().poll(cx).is_ready()));
            }
        }
    };
    calls(100);
    let kept = allocation_counter::measure(|| calls(MANY)).bytes_current;
    assert!(kept < 64 * 1024, "{kept} bytes more");
    drop(server);
    settles(before).await;
}

#[tokio::test]
async fn messages_leave_nothing_whether_they_are_opened_or_not() {
    let _alone = alone();
    let before = at_rest().await;
    let fleet = fleet().forward_unknown_baggage(true);
    let far =
        [("x-request-deadline-unix-ms", "99999999999999"), ("x-request-id", "m"), ("baggage", "tenant=acme,other=1;p")];
    let cx = &mut Context::from_waker(Waker::noop());
    let mut messages = |many: usize| {
        for n in 0..many {
            let incoming = fleet.extract_message(&far);
            match n % 4 {
                0 => drop(incoming),
                1 => drop(incoming.sync_scope(|| TENANT.set("changed".into()))),
                2 => drop(incoming.scope(std::future::pending::<()>())),
                _ => assert!(pin!(incoming.scope(std::future::pending::<()>())).as_mut().poll(cx).is_pending()),
            }
        }
    };
    messages(100);
    let kept = allocation_counter::measure(|| messages(MANY)).bytes_current;
    assert!(kept < 64 * 1024, "{kept} bytes more");
    assert_eq!((REQUEST_ID.get(), TRACE.get(), TENANT.get()), (None, None, None));
    settles(before).await;
}
