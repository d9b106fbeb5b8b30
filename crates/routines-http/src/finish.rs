//! Owns requests that are finished after their client has left.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::server::let_client_leave;

/// Finishes each request in a task of its own, whether or not its client waits: for routes that write.
///
/// Put on single routes, inside [`ServerLayer`](crate::ServerLayer), and inside of [`DeadlineLayer`](crate::DeadlineLayer) where a
/// route has both. A client that leaves does not cancel the request then; its deadline does, and whatever is above it, as a server that
/// shuts down. The response of a client that left is dropped; so is a body that is still being made for it, and what that started
/// is not told. A request whose client left before the service was called is not begun: axum calls a route when its response is first
/// polled.
///
/// Costs a task a request. With the runtime its tasks end, finished or not; polled on another runtime, the response never comes then.
///
/// ```
/// use axum::{Router, routing::post};
/// use routines_http::{FinishLayer, Propagation, ServerLayer};
///
/// let app: Router = Router::new()
///     .route("/orders", post(async || "written, whoever listens").layer(FinishLayer::new()))
///     .layer(ServerLayer::new(&Propagation::new()));
/// ```
///
/// # Panics
///
/// The service's call, outside a tokio runtime. A panic of the handler goes on to the caller, if that still waits.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct FinishLayer;

impl FinishLayer {
    /// The layer.
    pub fn new() -> Self {
        FinishLayer
    }
}

impl<S> Layer<S> for FinishLayer {
    type Service = Finish<S>;

    fn layer(&self, inner: S) -> Finish<S> {
        Finish { inner }
    }
}

/// The service [`FinishLayer`] makes.
#[derive(Debug, Clone)]
pub struct Finish<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Finish<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = FinishFuture<Response<R>, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let_client_leave();
        FinishFuture { task: routines_tokio::spawn(self.inner.call(request)) }
    }
}

/// The future of [`Finish`].
#[derive(Debug)]
pub struct FinishFuture<R, E> {
    task: tokio::task::JoinHandle<Result<R, E>>,
}

impl<R, E> Future for FinishFuture<R, E> {
    type Output = Result<R, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(result) => Poll::Ready(result),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, and drops this future, too.
                Err(_) => Poll::Pending,
            },
        }
    }
}
