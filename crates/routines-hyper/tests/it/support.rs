//! What the tests share: values whose lives are counted, an HTTP service on the loopback interface, clients.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, Version};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use routines_hyper::RoutineExecutor;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A runtime whose hooks, where this build has any, make every task inherit, hyper's too: what an executor says goes.
pub(crate) fn runtime() -> Runtime {
    routines_tokio::install();
    let mut builder = Builder::new_multi_thread();
    #[cfg(tokio_unstable)]
    routines_tokio::Flow::new().inherit("hyper-util").install(&mut builder);
    builder.worker_threads(2).enable_io().build().expect("a runtime")
}

// ===== values =====

/// Counts the values it made that are alive.
#[derive(Clone, Default)]
pub(crate) struct Lives(Arc<AtomicUsize>);

impl Lives {
    pub(crate) fn value(&self, id: usize) -> Value {
        self.0.fetch_add(1, Ordering::SeqCst);
        Value { id, lives: self.clone() }
    }

    /// How many are alive, once that is `expected` or a task had ample time to end.
    pub(crate) async fn settle(&self, expected: usize) -> usize {
        let alive = || self.0.load(Ordering::SeqCst);
        for _ in 0..100_000 {
            if alive() == expected {
                break;
            }
            tokio::task::yield_now().await;
        }
        alive()
    }
}

/// A request's value.
pub(crate) struct Value {
    pub(crate) id: usize,
    lives: Lives,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.lives.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// A list that any thread may add to.
#[derive(Clone)]
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Log<T> {
    pub(crate) fn new() -> Self {
        Log(Arc::default())
    }

    pub(crate) fn add(&self, entry: T) {
        self.0.lock().expect("not poisoned").push(entry);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().expect("not poisoned").clone()
    }
}

/// Runs a closure when dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

// ===== HTTP =====

/// Serves HTTP/1 and HTTP/2 on a free port until the runtime ends.
pub(crate) async fn serve<S, F, B>(executor: RoutineExecutor, handler: S) -> SocketAddr
where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    routines_tokio::spawn_detached(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (executor, handler) = (executor.clone(), handler.clone());
            routines_tokio::spawn_detached(async move {
                let service = service_fn(move |request| {
                    let response = handler(request);
                    async move { Ok::<_, Infallible>(response.await) }
                });
                // A client that hangs up is no failure of the test.
                drop(auto::Builder::new(executor).serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    address
}

pub(crate) type Pool = Client<HttpConnector, Empty<Bytes>>;

/// A client with a pool of connections of this version.
pub(crate) fn pool(executor: RoutineExecutor, version: Version) -> Pool {
    Client::builder(executor).http2_only(version == Version::HTTP_2).build_http()
}

/// The header a request's id travels in.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// Sends a request with this id and reads the answer to its end.
pub(crate) async fn request(pool: &Pool, to: SocketAddr, id: usize) -> String {
    let uri: Uri = format!("http://{to}/").parse().expect("an address is an authority");
    let request = Request::get(uri).header(REQUEST_ID, id).body(Empty::new()).expect("it is complete");
    let response = pool.request(request).await.expect("the server answers");
    let body = response.into_body().collect().await.expect("the server finishes").to_bytes();
    String::from_utf8(body.into()).expect("it is text")
}

/// The id that came with a request.
pub(crate) fn id_of(request: &Request<Incoming>) -> usize {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    id.expect("the client sends one")
}
