//! Owns the client's side for tonic: errors are statuses, and a stream of messages ends as a call does.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::MapErr;
use pin_project_lite::pin_project;
use routines_cancel::Cause;
use routines_http::{Propagation, UntilCancelledBody};
use tonic::Status;
use tower_layer::Layer;
use tower_service::Service;

use crate::status::{cause, status};

type BoxError = Box<dyn Error + Send + Sync>;

/// Sends what the current routine carries along with each call, and ends it when the routine is cancelled or out of time: a layer for
/// tonic's channels.
///
/// A call there is no time for fails before it is sent. The status is `DEADLINE_EXCEEDED` for a deadline, `CANCELLED` for anything else;
/// [`cause`](crate::cause) gives the cause back. A stream of messages is ended, too, at the moment of the cancellation. The server is
/// told by the reset of the call's stream. Costs the headers, and one allocation for each call or stream that has to wait.
///
/// ```
/// use std::time::Duration;
/// use routines_cancel::with_timeout;
/// use routines_http::Propagation;
/// use routines_tonic::ClientLayer;
/// use tonic::{Code, transport::Channel};
/// use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
/// use tower::Layer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
/// let mut client = HealthClient::new(ClientLayer::new(&Propagation::new()).host("inventory").layer(channel));
/// let late = with_timeout(Duration::ZERO).scope(async { client.check(HealthCheckRequest::default()).await });
/// assert_eq!(late.await.unwrap_err().code(), Code::DeadlineExceeded, "it was not sent");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ClientLayer(routines_http::ClientLayer);

impl ClientLayer {
    /// A layer that sends on what this propagation agrees to.
    pub fn new(propagation: &Propagation) -> Self {
        ClientLayer(routines_http::ClientLayer::new(propagation))
    }

    /// Says which host calls go to: above a channel they do not tell, and without a name no values are sent.
    pub fn host(self, host: impl Into<String>) -> Self {
        ClientLayer(self.0.host(host))
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;

    fn layer(&self, inner: S) -> Client<S> {
        Client(self.0.layer(inner))
    }
}

/// The service [`ClientLayer`] makes: what takes the place of a channel.
#[derive(Debug, Clone)]
pub struct Client<S>(routines_http::Client<S>);

impl<S, B, R> Service<Request<B>> for Client<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Status;
    type Future = CallFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(cx).map_err(failed)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        CallFuture { call: self.0.call(request) }
    }
}

/// What tonic would make of it; for a cancellation, what that is in gRPC.
fn failed(error: BoxError) -> Status {
    let theirs = match error.downcast::<Cause>() {
        Ok(cause) => return status(&cause),
        Err(error) => Status::from_error(error),
    };
    match cause(&theirs) {
        // The channel looks at the same clock, and may be first.
        Some(cause) if cause.is_deadline() => status(&cause),
        _ => theirs,
    }
}

pin_project! {
    /// The future of [`Client`].
    #[must_use = "a future does nothing until it is awaited"]
    pub struct CallFuture<F> {
        #[pin]
        call: routines_http::CallFuture<F>,
    }
}

impl<F, R, E> Future for CallFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R>>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().call.poll(cx)).map_err(failed)?;
        Poll::Ready(Ok(response.map(|body| body.map_err(failed as fn(BoxError) -> Status))))
    }
}

impl<F> fmt::Debug for CallFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}

/// The body of [`Client`]'s responses: its messages end when the routine that called is cancelled.
pub type ResponseBody<R> = MapErr<UntilCancelledBody<R>, fn(BoxError) -> Status>;
