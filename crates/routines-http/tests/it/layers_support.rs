//! Owns what the tests of the layers share: connections in memory, bodies that behave as told, and how each request ended.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use routines_cancel::after_cancel;
use routines_http::{ServerLayer, let_client_leave};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::UnboundedSender;
use tower::{Layer, Service, service_fn};

use crate::support::{Told, fleet, soon};

/// What goes wrong in handlers and bodies.
#[derive(Debug)]
pub(crate) struct Error(pub(crate) &'static str);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.0)
    }
}

impl std::error::Error for Error {}

// ===== bodies =====

/// What a [`Script`] does after its last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    End,
    /// Ends, and says so with its last frame.
    SaysEnd,
    Hangs,
    Fails,
    Panics,
}

/// A body that behaves as it is told.
pub(crate) struct Script {
    frames: VecDeque<Frame<Bytes>>,
    then: Then,
    exact: Option<u64>,
}

impl Script {
    pub(crate) fn new(data: &[&'static str], then: Then) -> Script {
        Script {
            frames: data.iter().map(|data| Frame::data(Bytes::from_static(data.as_bytes()))).collect(),
            then,
            exact: None,
        }
    }

    /// Tells its length beforehand.
    pub(crate) fn exact(mut self) -> Script {
        self.exact = Some(self.frames.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum());
        self
    }

    pub(crate) fn trailers(mut self) -> Script {
        self.frames
            .push_back(Frame::trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())])));
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match (self.frames.pop_front(), self.then) {
            (Some(frame), _) => {
                if let (Some(left), Some(data)) = (&mut self.exact, frame.data_ref()) {
                    *left -= data.len() as u64;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            (None, Then::End | Then::SaysEnd) => Poll::Ready(None),
            (None, Then::Hangs) => Poll::Pending,
            (None, Then::Fails) => Poll::Ready(Some(Err(Error("the body broke")))),
            (None, Then::Panics) => panic!("the body panics"),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.then == Then::SaysEnd && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

// ===== servers =====

/// Tells when it is dropped.
struct Gone(UnboundedSender<String>);

impl Drop for Gone {
    fn drop(&mut self) {
        drop(self.0.send("gone".into()));
    }
}

/// A body that is gone before `gone` is told.
struct Watched<B>(B, #[expect(dead_code, reason = "tells when it is dropped")] Gone);

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// Serves one connection in memory by `handler` under a [`ServerLayer`]. What is told of each request: why it was cancelled, if it was;
/// then `gone`, when the server has dropped the last of it.
pub(crate) fn serve<H, F>(http2: bool, told: &Told, handler: H) -> DuplexStream
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Script>, Error>> + Send + 'static,
{
    let tell = told.0.clone();
    let watched = {
        let tell = tell.clone();
        service_fn(move |request| {
            let tell = tell.clone();
            after_cancel(move |cause| drop(tell.send(cause.to_string()))).detach();
            handler(request)
        })
    };
    let server = ServerLayer::new(&fleet()).layer(watched);
    let service = hyper::service::service_fn(move |request| {
        let gone = Gone(tell.clone());
        let call = server.clone().call(request);
        async move {
            let gone = gone;
            let response = Box::pin(call).await;
            response.map(|response| response.map(|body| Watched(Box::pin(body), gone)))
        }
    });
    let (client, server) = tokio::io::duplex(64 * 1024);
    let io = TokioIo::new(server);
    tokio::spawn(async move {
        if http2 {
            let served =
                hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await;
            drop(served);
        } else {
            let served = hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await;
            drop(served);
        }
    });
    client
}

pub(crate) async fn read_until(client: &mut DuplexStream, end: &str) -> String {
    let mut read = Vec::new();
    soon(async {
        while !String::from_utf8_lossy(&read).contains(end) {
            let mut some = [0; 4096];
            let n = client.read(&mut some).await.unwrap();
            assert_ne!(n, 0, "closed after {:?}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&some[..n]);
        }
    })
    .await;
    String::from_utf8(read).unwrap()
}

pub(crate) async fn send(client: &mut DuplexStream, text: &str) {
    client.write_all(text.replace('\n', "\r\n").as_bytes()).await.unwrap();
}

/// What is told of one HTTP/1 request up to its `gone`, while its client stays.
pub(crate) async fn told_while_the_client_stays<H, F>(request: &str, handler: H) -> Vec<String>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Script>, Error>> + Send + 'static,
{
    let mut told = Told::new();
    let mut client = serve(false, &told, handler);
    send(&mut client, request).await;
    let all = up_to_gone(&mut told).await;
    drop(client);
    all
}

/// What is told of one HTTP/1 request whose client leaves as soon as it has read `end`.
pub(crate) async fn told_when_the_client_leaves<H, F>(request: &str, end: &str, handler: H) -> Vec<String>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Script>, Error>> + Send + 'static,
{
    let mut told = Told::new();
    let mut client = serve(false, &told, handler);
    send(&mut client, request).await;
    read_until(&mut client, end).await;
    drop(client);
    up_to_gone(&mut told).await
}

pub(crate) async fn up_to_gone(told: &mut Told) -> Vec<String> {
    let mut all = vec![told.next().await];
    while all.last().unwrap() != "gone" {
        all.push(told.next().await);
    }
    all
}

/// A handler's last word to whoever listens: that its client may leave.
pub(crate) fn careless(response: Response<Script>) -> Result<Response<Script>, Error> {
    let_client_leave();
    Ok(response)
}
