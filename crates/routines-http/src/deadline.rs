//! Owns the end of requests whose time is up: the answer that says so.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use pin_project_lite::pin_project;
use routines_cancel::{Cause, UntilCancelled, check, until_cancelled};
use tower_layer::Layer;
use tower_service::Service;

/// Answers for a request that is cancelled, most of all because its time is up: `504 Gateway Timeout`, or gRPC's
/// `DEADLINE_EXCEEDED`. The work is dropped then, inside its context.
///
/// Put inside [`ServerLayer`](crate::ServerLayer), over all routes or some. Without it a request whose time is up is told, and answers
/// as it likes. Cancelled for another cause, it answers `503 Service Unavailable` or `CANCELLED`. A response that has begun is not
/// cut off, and a request that has no time left when it comes is not passed on.
///
/// Put outside of `FinishLayer` where a route has both: the client is answered then, and the work is told and finishes. Inside of it,
/// the work is torn apart.
///
/// Costs one allocation a request that waits.
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
        let grpc = is_grpc(request.headers()).then(|| request.headers()[header::CONTENT_TYPE].clone());
        // Asked before the call: a service may begin its work in it.
        match check() {
            Ok(()) => DeadlineFuture::Begun { work: until_cancelled(self.inner.call(request)), grpc },
            Err(cause) => DeadlineFuture::Late { cause, grpc },
        }
    }
}

pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

pin_project! {
    /// The future of [`Deadline`].
    #[project = Step]
    #[must_use = "a future does nothing until it is awaited"]
    pub enum DeadlineFuture<F> {
        /// Passed on.
        #[doc(hidden)]
        Begun {
            #[pin]
            work: UntilCancelled<F>,
            grpc: Option<HeaderValue>,
        },
        /// Not passed on.
        #[doc(hidden)]
        Late { cause: Cause, grpc: Option<HeaderValue> },
    }
}

impl<F, R, E> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project() {
            Step::Begun { work, grpc } => match ready!(work.poll(cx)) {
                Ok(result) => result,
                Err(cause) => Ok(answer(&cause, grpc.take())),
            },
            Step::Late { cause, grpc } => Ok(answer(cause, grpc.take())),
        })
    }
}

impl<F> fmt::Debug for DeadlineFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineFuture").finish_non_exhaustive()
    }
}

/// For gRPC in the content type that it was asked in, with its status codes: <https://grpc.io/docs/guides/status-codes/>.
fn answer<R: Default>(cause: &Cause, grpc: Option<HeaderValue>) -> Response<R> {
    let mut response = Response::new(R::default());
    let late = cause.is_deadline();
    if let Some(kind) = grpc {
        let status = if late { "4" } else { "1" };
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.headers_mut().insert("grpc-status", HeaderValue::from_static(status));
    } else {
        *response.status_mut() = if late { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::SERVICE_UNAVAILABLE };
    }
    response
}
