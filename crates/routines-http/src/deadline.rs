//! Owns the end of requests whose time is up: the answer that says so.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use routines_cancel::{UntilCancelled, until_cancelled};
use tower_layer::Layer;
use tower_service::Service;

/// Answers for a request that is cancelled, most of all because its time is up: `504 Gateway Timeout`, or gRPC's
/// `DEADLINE_EXCEEDED`. The work is dropped then, inside its context.
///
/// Put inside [`ServerLayer`](crate::ServerLayer), over all routes or some. Without it a request whose time is up is told, and answers
/// as it likes. Cancelled for another cause, it answers `503 Service Unavailable` or `CANCELLED`. A response that has begun is not
/// cut off.
///
/// ```
/// use axum::{Router, routing::get};
/// use routines_http::{DeadlineLayer, Propagation, ServerLayer};
///
/// let app: Router = Router::new()
///     .route("/", get(async || "in time"))
///     .layer(DeadlineLayer::new())
///     .layer(ServerLayer::new(&Propagation::new()));
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct DeadlineLayer;

impl DeadlineLayer {
    /// The layer.
    pub fn new() -> Self {
        DeadlineLayer
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Deadline<S> {
        Deadline { inner }
    }
}

/// The service [`DeadlineLayer`] makes.
#[derive(Debug, Clone)]
pub struct Deadline<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Deadline<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = DeadlineFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let grpc = is_grpc(request.headers());
        DeadlineFuture { work: until_cancelled(self.inner.call(request)), grpc }
    }
}

pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

pin_project! {
    /// The future of [`Deadline`].
    #[derive(Debug)]
    #[must_use = "a future does nothing until it is awaited"]
    pub struct DeadlineFuture<F> {
        #[pin]
        work: UntilCancelled<F>,
        grpc: bool,
    }
}

impl<F, R, E> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.work.poll(cx)) {
            Ok(result) => result,
            Err(cause) => Ok(answer(cause.is_deadline(), *this.grpc)),
        })
    }
}

/// The status codes of gRPC: <https://grpc.io/docs/guides/status-codes/>.
fn answer<R: Default>(late: bool, grpc: bool) -> Response<R> {
    let mut response = Response::new(R::default());
    if grpc {
        let status = if late { "4" } else { "1" };
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        response.headers_mut().insert("grpc-status", HeaderValue::from_static(status));
    } else {
        *response.status_mut() = if late { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::SERVICE_UNAVAILABLE };
    }
    response
}
