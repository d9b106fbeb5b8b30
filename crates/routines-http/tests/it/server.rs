//! Owns the promises of the server's side, over real connections.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::{StreamExt, stream};
use routines_cancel::Cause;
use routines_http::{DeadlineLayer, FinishLayer, Propagation, REQUEST_ID, ServerLayer, TRACE, Trust};
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{REGION, Raw, TENANT, Told, fleet, serve, soon};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Tell = Extension<UnboundedSender<String>>;

fn seen() -> String {
    format!(
        "id={} trace={} tenant={:?} region={:?} timed={}",
        REQUEST_ID.get().map_or_else(String::new, |id| id.to_string()),
        TRACE.get().map_or_else(String::new, |trace| trace.trace_id.to_string()),
        TENANT.get(),
        REGION.get(),
        routines_cancel::remaining().is_some(),
    )
}

/// A service under `layer`, and what its handlers tell.
async fn service(layer: ServerLayer, routes: Router) -> (Raw, Told) {
    let told = Told::new();
    let app = routes.layer(layer).layer(Extension(told.0.clone()));
    (Raw::open(serve(app).await).await, told)
}

async fn ask(connection: &mut Raw, headers: &str) -> String {
    connection.send(&format!("GET / HTTP/1.1\nhost: x\n{headers}\n")).await;
    let response = connection.read_until("timed=true").await;
    response.rsplit("\r\n").next().unwrap().to_owned()
}

async fn ask_untimed(connection: &mut Raw, headers: &str) -> String {
    connection.send(&format!("GET / HTTP/1.1\nhost: x\n{headers}\n")).await;
    let response = connection.read_until("timed=false").await;
    response.rsplit("\r\n").next().unwrap().to_owned()
}

// ===== what comes in =====

#[tokio::test]
async fn ids_trace_values_and_deadline_of_a_request_are_ambient_in_its_handler() {
    let (mut client, _told) = service(ServerLayer::new(&fleet()), Router::new().route("/", get(async || seen()))).await;
    let headers = format!(
        "x-request-id: req-7\ntraceparent: {TRACEPARENT}\nbaggage: tenant=a%20b,other=1\nx-region: eu\nx-request-timeout-ms: 60000\n"
    );
    assert_eq!(
        ask(&mut client, &headers).await,
        r#"id=req-7 trace=0af7651916cd43dd8448eb211c80319c tenant=Some("a b") region=Some("eu") timed=true"#
    );
}

#[tokio::test]
async fn the_next_request_of_a_connection_sees_nothing_of_the_one_before() {
    let (mut client, _told) = service(ServerLayer::new(&fleet()), Router::new().route("/", get(async || seen()))).await;
    ask(&mut client, "x-request-id: req-7\nbaggage: tenant=acme\nx-region: eu\nx-request-timeout-ms: 60000\n").await;
    let second = ask_untimed(&mut client, "").await;
    assert!(second.ends_with("tenant=None region=None timed=false"), "{second}");
    assert!(!second.contains("req-7") && !second.contains("id= "), "{second}");
}

#[tokio::test]
async fn what_is_bound_around_the_server_is_seen_unless_it_is_a_key_that_did_not_come() {
    static SERVICE: routines::Local<&str> = routines::Local::new();
    let bare = tower::ServiceExt::<http::Request<Body>>::oneshot(
        tower::Layer::layer(
            &ServerLayer::new(&fleet()),
            tower::service_fn(async |_| {
                Ok::<_, Infallible>(Response::new(Body::from(format!("{:?} {:?}", SERVICE.get(), TENANT.get()))))
            }),
        ),
        http::Request::new(Body::empty()),
    );
    let around = routines::Bindings::new().with(&SERVICE, "shop").with(&TENANT, "the server's own".to_owned());
    let response = around.scope(bare).await.unwrap();
    let body = axum::body::to_bytes(Body::new(response.into_body()), 1000).await.unwrap();
    assert_eq!(body, r#"Some("shop") None"#);
}

#[tokio::test]
async fn strangers_bring_neither_ids_nor_values_but_may_ask_for_less_time() {
    let layer = ServerLayer::new(&fleet()).trust(Trust::Nobody);
    let (mut client, _told) = service(layer, Router::new().route("/", get(async || seen()))).await;
    let headers = format!(
        "x-request-id: req-7\ntraceparent: {TRACEPARENT}\nbaggage: tenant=acme\nx-region: eu\nx-request-timeout-ms: 60000\n"
    );
    let seen = ask(&mut client, &headers).await;
    assert!(seen.ends_with("tenant=None region=None timed=true"), "{seen}");
    assert!(!seen.contains("req-7") && !seen.contains("0af7651916cd43dd"), "{seen}");
}

#[tokio::test]
async fn trust_may_depend_on_the_caller() {
    let layer = ServerLayer::new(&fleet()).trust(Trust::when(|caller| caller.headers.contains_key("x-signed")));
    let (mut client, _told) = service(layer, Router::new().route("/", get(async || seen()))).await;
    assert!(!ask_untimed(&mut client, "x-request-id: req-7\n").await.contains("req-7"));
    assert!(ask_untimed(&mut client, "x-request-id: req-7\nx-signed: 1\n").await.contains("req-7"));
}

#[tokio::test]
async fn a_request_is_a_routine_named_by_method_and_path_without_the_query() {
    let name = get(async || format!("{:?} timed=false", routines::current().name()));
    let (mut client, _told) = service(ServerLayer::new(&fleet()), Router::new().route("/", name)).await;
    client.send("GET /?password=1 HTTP/1.1\nhost: x\n\n").await;
    assert!(client.read_until("timed=false").await.ends_with(r#"Some("GET /") timed=false"#));
}

#[tokio::test]
async fn the_longest_time_a_service_gives_is_a_limit_and_the_default_fills_in() {
    let fleet = Propagation::new().max_timeout(Duration::from_secs(30)).default_timeout(Duration::from_secs(3));
    let left = get(async || format!("{} timed=true", routines_cancel::remaining().unwrap().as_secs_f64().ceil()));
    let (mut client, _told) = service(ServerLayer::new(&fleet), Router::new().route("/", left)).await;
    assert!(ask(&mut client, "x-request-timeout-ms: 900000\n").await.starts_with("30 "));
    assert!(ask(&mut client, "").await.starts_with("3 "));
    assert!(ask(&mut client, "x-request-timeout-ms: junk\n").await.starts_with("3 "));
    assert_eq!(fleet.ignored().deadline, 1);
}

// ===== the body =====

#[tokio::test]
async fn a_body_is_made_in_the_context_its_handler_left() {
    let rows = get(async || {
        TENANT.set("set by the handler".into());
        let row = stream::once(async { Ok::<_, Infallible>(Bytes::from(seen())) });
        Body::from_stream(row)
    });
    let (mut client, _told) = service(ServerLayer::new(&fleet()), Router::new().route("/", rows)).await;
    let headers = "GET / HTTP/1.1\nhost: x\nx-request-id: req-7\nbaggage: tenant=acme\n\n";
    client.send(headers).await;
    let response = client.read_until("\r\n0\r\n").await;
    assert!(response.contains("id=req-7") && response.contains(r#"tenant=Some("set by the handler")"#), "{response}");
}

// ===== the client goes away =====

/// A handler's guard: tells how the request ended for what it had started.
async fn tell_the_end(tell: UnboundedSender<String>) {
    tell.send("started".into()).unwrap();
    let cause = routines_cancel::cancelled().await;
    tell.send(format!("{cause} id={}", REQUEST_ID.get().unwrap())).unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_while_the_handler_works_cancels_what_it_started() {
    let hang = get(async |Extension(tell): Tell| {
        routines_tokio::spawn(tell_the_end(tell));
        std::future::pending::<()>().await;
    });
    let (mut client, mut told) = service(ServerLayer::new(&fleet()), Router::new().route("/", hang)).await;
    client.send("GET / HTTP/1.1\nhost: x\nx-request-id: req-7\n\n").await;
    assert_eq!(told.next().await, "started");
    drop(client);
    assert_eq!(told.next().await, "the client went away id=req-7");
}

/// What the handler itself holds is dropped with it: it must have been told before.
#[tokio::test]
async fn what_a_handler_registered_is_told_before_the_handler_is_dropped() {
    let hang = get(async |Extension(tell): Tell| {
        let of_child = tell.clone();
        let child = routines_cancel::with_timeout(Duration::from_secs(60));
        let _told = child.after_cancel(move |cause| of_child.send(format!("child: {cause}")).unwrap());
        let own = tell.clone();
        let _stop = routines_cancel::after_cancel(move |cause| own.send(format!("handler: {cause}")).unwrap());
        tell.send("started".into()).unwrap();
        std::future::pending::<()>().await;
    });
    let (mut client, mut told) = service(ServerLayer::new(&fleet()), Router::new().route("/", hang)).await;
    client.send("GET / HTTP/1.1\nhost: x\n\n").await;
    assert_eq!(told.next().await, "started");
    drop(client);
    let mut both = [told.next().await, told.next().await];
    both.sort();
    assert_eq!(both, ["child: the client went away", "handler: the client went away"]);
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_body_cancels_what_the_request_started() {
    let endless = get(async |Extension(tell): Tell| {
        routines_tokio::spawn(tell_the_end(tell));
        let rows = stream::once(async { Ok::<_, Infallible>(Bytes::from("first row")) });
        Body::from_stream(rows.chain(stream::pending()))
    });
    let (mut client, mut told) = service(ServerLayer::new(&fleet()), Router::new().route("/", endless)).await;
    client.send("GET / HTTP/1.1\nhost: x\nx-request-id: req-7\n\n").await;
    client.read_until("first row").await;
    assert_eq!(told.next().await, "started");
    drop(client);
    assert_eq!(told.next().await, "the client went away id=req-7");
}

/// Whatever ends a response well: the request is not cancelled by it, nor by the connection's end.
#[tokio::test]
async fn a_response_that_was_sent_cancels_nothing() {
    async fn watched(method: Method, path: &str, end: &str, response: fn() -> Response) {
        let handler = async move |Extension(tell): Tell| {
            let token = routines_cancel::Token::current().unwrap();
            routines_tokio::spawn(async move {
                routines_cancel::cancelled().await;
                tell.send("cancelled".into()).unwrap();
            });
            let _ = token;
            response()
        };
        let routes = Router::new().route(path, get(handler));
        let (mut client, mut told) = service(ServerLayer::new(&fleet()), routes).await;
        for _ in 0..2 {
            client.send(&format!("{method} {path} HTTP/1.1\nhost: x\n\n")).await;
            client.read_until(end).await;
        }
        drop(client);
        // The connection's task has seen the end when a later connection to the same server is served and closed, or never: what
        // is asserted is that nothing was told by then.
        tokio::task::yield_now().await;
        assert!(told.nothing_more(), "{method} {path}");
    }
    let streamed = || Body::from_stream(stream::iter(["a", "b"].map(Ok::<_, Infallible>))).into_response();
    let counted = || {
        let rows = stream::iter(["aa", "bb"].map(Ok::<_, Infallible>)).chain(stream::pending());
        ([(header::CONTENT_LENGTH, "4")], Body::from_stream(rows)).into_response()
    };
    watched(Method::GET, "/full", "hello", || "hello".into_response()).await;
    watched(Method::GET, "/empty", "content-length: 0", || ().into_response()).await;
    watched(Method::GET, "/streamed", "\r\n0\r\n", streamed).await;
    watched(Method::GET, "/counted", "aabb", counted).await;
    watched(Method::HEAD, "/head", "\r\n\r\n", || "hello".into_response()).await;
    watched(Method::GET, "/none", "\r\n\r\n", || StatusCode::NO_CONTENT.into_response()).await;
}

#[tokio::test]
async fn an_http2_stream_that_is_reset_cancels_its_request_and_no_other() {
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    let hang = get(async |Extension(tell): Tell| {
        routines_tokio::spawn(tell_the_end(tell));
        std::future::pending::<()>().await;
    });
    let told = Told::new();
    let app = Router::new().route("/", hang).layer(ServerLayer::new(&fleet())).layer(Extension(told.0.clone()));
    let address = serve(app).await;
    let mut told = told;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Body>();
    let ask = |id: &str| {
        let request = http::Request::get(format!("http://{address}/")).header("x-request-id", id);
        tokio::spawn(client.request(request.body(Body::empty()).unwrap()))
    };
    let (first, second) = (ask("req-1"), ask("req-2"));
    assert_eq!((told.next().await, told.next().await), ("started".into(), "started".into()));
    first.abort();
    assert_eq!(told.next().await, "the client went away id=req-1");
    second.abort();
    assert_eq!(told.next().await, "the client went away id=req-2");
}

// ===== policies of routes =====

#[tokio::test]
async fn a_route_that_finishes_does_so_without_its_client() {
    let (release, released) = tokio::sync::watch::channel(false);
    let write = post(async move |Extension(tell): Tell| {
        let mut released = released;
        tell.send("started".into()).unwrap();
        released.wait_for(|released| *released).await.unwrap();
        tell.send(format!("written id={} {:?}", REQUEST_ID.get().unwrap(), routines_cancel::cause())).unwrap();
    });
    let routes = Router::new().route("/", write.layer(FinishLayer::new()));
    let (mut client, mut told) = service(ServerLayer::new(&fleet()), routes).await;
    client.send("POST / HTTP/1.1\nhost: x\nx-request-id: req-7\ncontent-length: 0\n\n").await;
    assert_eq!(told.next().await, "started");
    drop(client);
    release.send(true).unwrap();
    assert_eq!(told.next().await, "written id=req-7 None");
}

#[tokio::test]
async fn a_route_that_finishes_is_still_ended_by_its_deadline() {
    let write = post(async |Extension(tell): Tell| tell_the_end(tell).await);
    let routes = Router::new().route("/", write.layer(FinishLayer::new()));
    let (mut client, mut told) = service(ServerLayer::new(&fleet()), routes).await;
    client.send("POST / HTTP/1.1\nhost: x\nx-request-id: req-7\nx-request-timeout-ms: 20\ncontent-length: 0\n\n").await;
    assert_eq!(told.next().await, "started");
    assert_eq!(told.next().await, "deadline exceeded id=req-7");
}

#[tokio::test]
async fn a_panic_in_a_route_that_finishes_reaches_the_caller() {
    use tower::{Layer, ServiceExt};

    let broken = tower::service_fn(async |_: http::Request<()>| -> Result<Response, Infallible> { panic!("broken") });
    let call = FinishLayer::new().layer(broken).oneshot(http::Request::new(()));
    let panic = tokio::spawn(call).await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"broken"));
}

#[tokio::test]
async fn a_request_whose_time_is_up_is_answered_so_and_its_work_dropped_in_its_context() {
    struct Work(UnboundedSender<String>);
    impl Drop for Work {
        fn drop(&mut self) {
            self.0.send(format!("dropped id={}", REQUEST_ID.get().unwrap())).unwrap();
        }
    }
    let hang = get(async |Extension(tell): Tell| {
        let _work = Work(tell);
        std::future::pending::<()>().await;
    });
    let routes = Router::new().route("/", hang).layer(DeadlineLayer::new());
    let (mut client, mut told) = service(ServerLayer::new(&fleet()), routes).await;
    client.send("GET / HTTP/1.1\nhost: x\nx-request-id: req-7\nx-request-timeout-ms: 20\n\n").await;
    assert!(client.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 504"));
    assert_eq!(told.next().await, "dropped id=req-7");
    client
        .send("GET / HTTP/1.1\nhost: x\nx-request-id: req-8\ncontent-type: application/grpc\ngrpc-timeout: 20m\n\n")
        .await;
    assert!(client.read_until("\r\n\r\n").await.contains("grpc-status: 4"));
}

#[tokio::test]
async fn a_server_that_shuts_down_tells_its_requests() {
    let hang = get(async |Extension(tell): Tell| tell_the_end(tell).await);
    let told = Told::new();
    let app = Router::new().route("/", hang).layer(ServerLayer::new(&fleet())).layer(Extension(told.0.clone()));
    let mut told = told;
    let shutdown = routines_cancel::Token::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // axum spawns its connections plainly: the token is bound around each request by a layer of one line.
    let scoped = shutdown.clone();
    let around = axum::middleware::from_fn(move |request: axum::extract::Request, next: axum::middleware::Next| {
        scoped.scope(async { next.run(request).await })
    });
    tokio::spawn(async move { axum::serve(listener, app.layer(around)).await.unwrap() });
    let mut client = Raw::open(address).await;
    client.send("GET / HTTP/1.1\nhost: x\nx-request-id: req-7\n\n").await;
    assert_eq!(told.next().await, "started");
    shutdown.cancel_with(Cause::from("shutting down"));
    assert_eq!(told.next().await, "shutting down id=req-7");
    soon(client.read_until("200 OK")).await;
}
