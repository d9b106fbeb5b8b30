//! Owns the promise that a client has left only if it did: in every way in which a server may end a response, and in none of them.

use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::layers_support::{
    Error, Script, Then, careless, read_until, send, serve, told_when_the_client_leaves, told_while_the_client_stays,
    up_to_gone,
};
use crate::support::{Told, soon};

const GET: &str = "GET / HTTP/1.1\nhost: x\n\n";
const LEFT: &str = "the client went away";

fn ok(body: Script) -> Result<Response<Script>, Error> {
    Ok(Response::new(body))
}

fn with_length(length: &str, body: Script) -> Result<Response<Script>, Error> {
    Ok(Response::builder().header("content-length", length).body(body).unwrap())
}

fn with_status(status: StatusCode, body: Script) -> Result<Response<Script>, Error> {
    Ok(Response::builder().status(status).body(body).unwrap())
}

async fn stays(request: &str, response: fn() -> Result<Response<Script>, Error>) {
    let told = told_while_the_client_stays(request, move |_| async move { response() }).await;
    assert_eq!(told, ["gone"], "{request:?}");
}

// ===== ends that are none of the client's =====

#[tokio::test]
async fn a_response_that_was_sent_ends_well_however_its_body_ends() {
    stays(GET, || ok(Script::new(&["a", "b"], Then::End))).await;
    stays(GET, || ok(Script::new(&["a", "b"], Then::SaysEnd))).await;
    stays(GET, || ok(Script::new(&[], Then::End))).await;
    stays("GET / HTTP/1.0\n\n", || ok(Script::new(&["a"], Then::End))).await;
}

#[tokio::test]
async fn a_server_need_not_ask_further_than_the_length_it_was_told() {
    stays(GET, || with_length("4", Script::new(&["aa", "bb"], Then::Hangs))).await;
    stays(GET, || ok(Script::new(&["aa", "bb"], Then::Hangs).exact())).await;
    stays(GET, || with_length("4", Script::new(&["aa", "bb"], Then::Hangs).exact())).await;
}

#[tokio::test]
async fn a_length_that_is_wrong_is_the_servers_fault_and_not_the_clients() {
    stays(GET, || with_length("3", Script::new(&["aa", "bb", "cc"], Then::Hangs))).await;
    stays(GET, || with_length("0", Script::new(&["aa"], Then::Hangs))).await;
    stays(GET, || with_length("9", Script::new(&["aa"], Then::End))).await;
}

#[tokio::test]
async fn a_response_that_has_no_body_ends_with_its_head() {
    let hangs = || Script::new(&["not sent"], Then::Hangs);
    assert_eq!(
        told_while_the_client_stays("HEAD / HTTP/1.1\nhost: x\n\n", move |_| async move { ok(hangs()) }).await,
        ["gone"]
    );
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        assert_eq!(
            told_while_the_client_stays(GET, move |_| async move { with_status(status, hangs()) }).await,
            ["gone"]
        );
    }
    let connect = "CONNECT x:1 HTTP/1.1\nhost: x:1\n\n";
    assert_eq!(told_while_the_client_stays(connect, move |_| async move { ok(hangs()) }).await, ["gone"]);
}

#[tokio::test]
async fn trailers_are_the_end_of_a_body_whatever_comes_after_them() {
    for then in [Then::End, Then::SaysEnd, Then::Hangs] {
        let handler = move |_| async move {
            let mut response = Response::new(Script::new(&["a"], then).trailers());
            response.headers_mut().insert("trailer", "x-sum".parse().unwrap());
            Ok(response)
        };
        let asked = "GET / HTTP/1.1\nhost: x\nte: trailers\n\n";
        assert_eq!(told_while_the_client_stays(asked, handler).await, ["gone"], "{then:?}");
    }
}

#[tokio::test]
async fn an_error_of_the_handler_or_of_the_body_is_no_disconnect() {
    stays(GET, || Err(Error("the handler broke"))).await;
    stays(GET, || ok(Script::new(&["a"], Then::Fails))).await;
}

#[tokio::test]
async fn a_panic_of_the_handler_or_of_the_body_is_no_disconnect() {
    stays(GET, || panic!("the handler panics")).await;
    stays(GET, || ok(Script::new(&["a"], Then::Panics))).await;
    stays(GET, || ok(Script::new(&[], Then::Panics))).await;
}

#[tokio::test]
async fn an_upgraded_connection_outlives_its_request_which_ended_with_its_head() {
    let mut told = Told::new();
    let mut client = serve(false, &told, async |mut request: Request<Incoming>| {
        let upgrade = hyper::upgrade::on(&mut request);
        routines_tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let cause = routines_cancel::cause().map(|cause| cause.to_string());
            tokio::io::AsyncWriteExt::write_all(&mut io, format!("hello {cause:?}\n").as_bytes()).await.unwrap();
        });
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        let response = response.header("connection", "upgrade").header("upgrade", "chat");
        Ok(response.body(Script::new(&[], Then::Hangs)).unwrap())
    });
    send(&mut client, "GET / HTTP/1.1\nhost: x\nconnection: upgrade\nupgrade: chat\n\n").await;
    read_until(&mut client, "hello None").await;
    assert_eq!(up_to_gone(&mut told).await, ["gone"]);
}

#[tokio::test]
async fn requests_sent_in_one_go_end_one_after_the_other() {
    let mut told = Told::new();
    let mut client = serve(false, &told, async |request: Request<Incoming>| {
        let id = routines_http::REQUEST_ID.get().unwrap();
        assert_eq!(request.uri().path(), format!("/{id}"));
        ok(Script::new(&["done"], Then::End))
    });
    let requests: String = (0..5).map(|n| format!("GET /r{n} HTTP/1.1\nhost: x\nx-request-id: r{n}\n\n")).collect();
    send(&mut client, &requests).await;
    for _ in 0..5 {
        assert_eq!(up_to_gone(&mut told).await, ["gone"]);
    }
}

// ===== a client that leaves =====

#[tokio::test]
async fn a_client_that_leaves_is_told_in_every_phase_of_a_response() {
    let hangs = |_| async { ok(Script::new(&["first"], Then::Hangs)) };
    assert_eq!(told_when_the_client_leaves(GET, "first", hangs).await, [LEFT, "gone"]);
    let counted = |_| async { with_length("6", Script::new(&["first"], Then::Hangs)) };
    assert_eq!(told_when_the_client_leaves(GET, "first", counted).await, [LEFT, "gone"]);
    let old = |_| async { ok(Script::new(&["first"], Then::Hangs)) };
    assert_eq!(told_when_the_client_leaves("GET / HTTP/1.0\n\n", "first", old).await, [LEFT, "gone"]);
    let at_once = |_| async { ok(Script::new(&[], Then::Hangs)) };
    assert_eq!(told_when_the_client_leaves(GET, "\r\n\r\n", at_once).await, [LEFT, "gone"]);
}

#[tokio::test]
async fn the_last_of_requests_sent_in_one_go_is_told_that_its_client_left() {
    let mut told = Told::new();
    let mut client = serve(false, &told, async |request: Request<Incoming>| {
        let then = if request.uri() == "/last" { Then::Hangs } else { Then::End };
        ok(Script::new(&["done"], then))
    });
    send(&mut client, "GET / HTTP/1.1\nhost: x\n\nGET /last HTTP/1.1\nhost: x\n\n").await;
    assert_eq!(up_to_gone(&mut told).await, ["gone"]);
    drop(client);
    assert_eq!(up_to_gone(&mut told).await, [LEFT, "gone"]);
}

#[tokio::test]
async fn a_request_that_let_its_client_leave_is_not_told_also_in_its_body() {
    let careless = |_| async { careless(Response::new(Script::new(&["first"], Then::Hangs))) };
    assert_eq!(told_when_the_client_leaves(GET, "first", careless).await, ["gone"]);
}

// ===== HTTP/2 =====

type Streams = hyper::client::conn::http2::SendRequest<Empty<Bytes>>;

async fn open<H, F>(told: &Told, handler: H) -> Streams
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Script>, Error>> + Send + 'static,
{
    let io = TokioIo::new(serve(true, told, handler));
    let (streams, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    streams
}

fn ask(method: Method, path: &str) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(method).uri(format!("http://x{path}")).version(Version::HTTP_2);
    request.body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_stream_that_was_sent_ends_well_however_its_body_ends() {
    for (method, body) in [
        (Method::GET, (|| ok(Script::new(&["a", "b"], Then::End))) as fn() -> Result<Response<Script>, Error>),
        (Method::GET, || ok(Script::new(&["a", "b"], Then::SaysEnd))),
        (Method::GET, || ok(Script::new(&[], Then::End))),
        (Method::GET, || ok(Script::new(&["a"], Then::Hangs).trailers())),
        (Method::GET, || with_length("1", Script::new(&["a"], Then::Hangs).trailers())),
        (Method::GET, || ok(Script::new(&["a"], Then::Fails))),
        (Method::GET, || ok(Script::new(&["a"], Then::Panics))),
        (Method::GET, || Err(Error("the handler broke"))),
        (Method::GET, || panic!("the handler panics")),
        (Method::HEAD, || ok(Script::new(&[], Then::SaysEnd))),
    ] {
        let mut told = Told::new();
        let mut streams = open(&told, move |_| async move { body() }).await;
        let response = soon(streams.send_request(ask(method, "/"))).await;
        if let Ok(response) = response {
            drop(soon(response.into_body().collect()).await);
        }
        assert_eq!(up_to_gone(&mut told).await, ["gone"]);
    }
}

#[tokio::test]
async fn of_many_streams_only_those_that_are_reset_are_told() {
    const STREAMS: usize = 60;
    let mut told = Told::new();
    let streams = open(&told, async |request: Request<Incoming>| {
        let then = if request.uri().path().ends_with('3') { Then::Hangs } else { Then::End };
        ok(Script::new(&["row"], then))
    })
    .await;
    let mut bodies = Vec::new();
    for n in 0..STREAMS {
        let mut streams = streams.clone();
        soon(streams.ready()).await.unwrap();
        let response = soon(streams.send_request(ask(Method::GET, &format!("/{n}")))).await.unwrap();
        bodies.push(response.into_body());
    }
    let mut hanging = Vec::new();
    for (n, body) in bodies.into_iter().enumerate() {
        if n % 10 == 3 {
            hanging.push(body);
        } else {
            assert_eq!(soon(body.collect()).await.unwrap().to_bytes(), "row");
            assert_eq!(up_to_gone(&mut told).await, ["gone"]);
        }
    }
    assert_eq!(hanging.len(), STREAMS / 10);
    for body in hanging {
        drop(body);
        assert_eq!(up_to_gone(&mut told).await, [LEFT, "gone"]);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_tells_all_its_streams() {
    let mut told = Told::new();
    let mut streams = open(&told, async |_| ok(Script::new(&["row"], Then::Hangs))).await;
    let mut responses = Vec::new();
    for _ in 0..5 {
        responses.push(soon(streams.send_request(ask(Method::GET, "/"))).await.unwrap());
    }
    drop((streams, responses));
    let mut all = Vec::new();
    while all.len() < 10 {
        all.push(told.next().await);
    }
    assert_eq!(all.iter().filter(|told| *told == LEFT).count(), 5, "{all:?}");
}

// ===== who stands between =====

/// A layer around the service that throws its response away cannot be told from a client that leaves: it belongs inside.
#[tokio::test]
async fn whoever_drops_a_response_before_its_end_counts_as_its_client() {
    use routines_http::ServerLayer;
    use tower::{Layer, ServiceExt, service_fn};

    let mut told = Told::new();
    let tell = told.0.clone();
    let service = ServerLayer::new(&crate::support::fleet()).layer(service_fn(move |_: Request<()>| {
        let tell = tell.clone();
        routines_cancel::after_cancel(move |cause| tell.send(cause.to_string()).unwrap()).detach();
        async { ok(Script::new(&["an error page"], Then::End)) }
    }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    drop(response);
    assert_eq!(told.next().await, LEFT);
}

/// As compression does that knows the length: all of the content was taken, and nobody asks whether there is more.
#[tokio::test]
async fn a_response_is_sent_once_all_its_content_was_taken() {
    use routines_http::ServerLayer;
    use tower::{Layer, ServiceExt, service_fn};

    for length in [Some("4"), None] {
        let told = Told::new();
        let tell = told.0.clone();
        let service = ServerLayer::new(&crate::support::fleet()).layer(service_fn(move |_: Request<()>| {
            let tell = tell.clone();
            routines_cancel::after_cancel(move |cause| tell.send(cause.to_string()).unwrap()).detach();
            async move {
                let body = Script::new(&["aa", "bb"], Then::Hangs).exact();
                Ok::<_, Error>(match length {
                    Some(length) => with_length(length, body)?,
                    None => Response::new(body),
                })
            }
        }));
        let mut body = Box::pin(service.oneshot(Request::new(())).await.unwrap().into_body());
        for _ in 0..2 {
            drop(soon(body.frame()).await.unwrap().unwrap());
        }
        drop(body);
        let mut told = told;
        assert!(told.nothing_more());
    }
}
