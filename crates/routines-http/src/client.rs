//! Owns the client's side: what the current routine carries goes along, and a call ends when nobody waits for it any more.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use routines_cancel::{Cancelled, Cause, UntilCancelled, cancelled, until_cancelled};
use tower_layer::Layer;
use tower_service::Service;

use crate::deadline::is_grpc;
use crate::destination::Destination;
use crate::propagation::Propagation;
use crate::until_cancelled_body::UntilCancelledBody;

/// Sends what the current routine carries along with each request: a tower layer for hyper's and tonic's clients, and any other.
///
/// A request whose time is up, or whose routine is cancelled, fails before it is sent; one that is under way then, or whose response's
/// body is being read, is dropped, which closes its connection or stream and so tells the server. The error is the [`Cause`], boxed.
///
/// A request with a `grpc-timeout` or a deadline header of its own keeps it if that is earlier.
///
/// What goes along, and what ends the call, is what is bound where `call` is called; `oneshot` calls where it is polled. That decides
/// where the layer is put among others:
///
/// - inside of a retry, so that each try tells the time that is left then (and retry no error that is a [`Cause`]: it will not go
///   away);
/// - outside of a buffer, which calls on a task of its own, where nothing is bound, or what was bound where the buffer was made;
/// - inside of what follows redirects: for each host it decides anew who gets values, and takes out those of the host before;
/// - around or inside of a balance, a limit or a timeout, as you like.
///
/// Costs about a microsecond a call with all that can be sent, of which much is the headers' own. A value whose `Display` panics does
/// so in `call`.
///
/// ```
/// use http::{Request, Response};
/// use routines::Local;
/// use routines_http::{ClientLayer, Propagation, REQUEST_ID, RequestId};
/// use tower::{Layer, Service, ServiceExt, service_fn};
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// # let transport = service_fn(async |request: Request<()>| {
/// #     let mut response = Response::new(String::new());
/// #     *response.headers_mut() = request.into_parts().0.headers;
/// #     Ok::<_, std::io::Error>(response)
/// # });
/// let client = ClientLayer::new(&Propagation::new()).layer(transport);
/// let id = RequestId::parse("req-7").unwrap();
/// let call = client.oneshot(Request::get("http://stock/").body(()).unwrap());
/// let echo = REQUEST_ID.scope(id, call).await.unwrap();
/// assert_eq!(echo.headers()["x-request-id"], "req-7");
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct ClientLayer {
    propagation: Propagation,
    host: Option<String>,
}

impl ClientLayer {
    /// A layer that sends on what this propagation agrees to. Which host a request goes to is read from its URI.
    pub fn new(propagation: &Propagation) -> Self {
        ClientLayer { propagation: propagation.clone(), host: None }
    }

    /// Says which host requests go to, where their URIs do not: as over tonic's channels. A URI that names a host is believed.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    fn prepare<B>(&self, request: &mut Request<B>) -> Result<(), Cause> {
        let mut to = match request.uri().host().or(self.host.as_deref()) {
            Some(host) => Destination::host(host),
            None => Destination::unknown(),
        };
        if is_grpc(request.headers()) {
            to = to.grpc();
        }
        self.propagation.inject_headers(request.headers_mut(), &to)
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = Client<S>;

    fn layer(&self, inner: S) -> Client<S> {
        Client { inner, layer: self.clone() }
    }
}

/// The service [`ClientLayer`] makes.
#[derive(Debug, Clone)]
pub struct Client<S> {
    inner: S,
    layer: ClientLayer,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl<S, B, R> Service<Request<B>> for Client<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<UntilCancelledBody<R>>;
    type Error = BoxError;
    type Future = CallFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.layer.prepare(&mut request) {
            Ok(()) => {
                let body_ends = Some(cancelled());
                CallFuture::Sent { call: until_cancelled(self.inner.call(request)), body_ends }
            }
            Err(cause) => CallFuture::Refused { cause: Some(cause) },
        }
    }
}

pin_project! {
    /// The future of [`Client`].
    #[project = Step]
    #[must_use = "a future does nothing until it is awaited"]
    pub enum CallFuture<F> {
        /// On its way.
        #[doc(hidden)]
        Sent {
            #[pin]
            call: UntilCancelled<F>,
            body_ends: Option<Cancelled>,
        },
        /// Not sent.
        #[doc(hidden)]
        Refused { cause: Option<Cause> },
    }
}

impl<F, R, E> Future for CallFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<UntilCancelledBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Step::Sent { call, body_ends } => {
                let response = match ready!(call.poll(cx)) {
                    Ok(result) => result.map_err(Into::into)?,
                    Err(cause) => return Poll::Ready(Err(cause.into())),
                };
                let cancelled = body_ends.take().expect("a future that was done is not polled again");
                Poll::Ready(Ok(response.map(|body| UntilCancelledBody::new(cancelled, body))))
            }
            Step::Refused { cause } => {
                let cause = cause.take().expect("a future that was done is not polled again");
                Poll::Ready(Err(cause.into()))
            }
        }
    }
}

impl<F> fmt::Debug for CallFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}
