//! Owns the server's side: each request in a frame of its own, its client's leaving told.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use routines::{BodyExt, Carried, Kind, Local, RoutineBuilder};
use routines_cancel::{Cause, DropGuard};
use tower_layer::Layer;
use tower_service::Service;

use crate::incoming::Incoming;
use crate::propagation::Propagation;

/// Who may bring ids and values along.
///
/// A service that strangers reach says [`Nobody`](Self::Nobody), or tells its neighbours apart: a stranger could take another's
/// request id, or another tenant's name.
///
/// ```
/// use std::net::SocketAddr;
/// use routines_http::{Propagation, ServerLayer, Trust};
///
/// let from_inside = Trust::when(|caller| {
///     caller.extensions.get::<SocketAddr>().is_some_and(|peer| peer.ip().is_loopback())
/// });
/// let layer = ServerLayer::new(&Propagation::new()).trust(from_inside);
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub enum Trust {
    /// Every client: for services behind others. The default.
    #[default]
    Everybody,
    /// No client: for services that face strangers.
    Nobody,
    /// Those of which this says so: made by [`when`](Self::when).
    When(fn(&Caller<'_>) -> bool),
}

/// What a [`Trust`] is decided by.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Caller<'a> {
    /// What was asked for.
    pub uri: &'a Uri,
    /// The headers, such as one with a signature.
    pub headers: &'a HeaderMap,
    /// What the server knows of the connection, such as the peer's address or certificate.
    pub extensions: &'a Extensions,
}

impl Trust {
    /// Those callers of which `trusted` says so.
    pub const fn when(trusted: fn(&Caller<'_>) -> bool) -> Trust {
        Trust::When(trusted)
    }

    fn covers<B>(self, request: &Request<B>) -> bool {
        let caller = Caller { uri: request.uri(), headers: request.headers(), extensions: request.extensions() };
        match self {
            Trust::Everybody => true,
            Trust::Nobody => false,
            Trust::When(trusted) => trusted(&caller),
        }
    }
}

/// Runs each request as a routine with what came with it: a tower layer for axum, tonic, hyper and whatever else is a tower service.
///
/// The frame is open around the call, the response's future and the response's body. A client that goes away before it has
/// the whole response cancels what the request started, with [`Cause::Disconnected`]; see `FinishLayer` for what
/// must be done all the same. A deadline that came is set, and told; `DeadlineLayer` also ends the response.
///
/// Costs two allocations a request beyond those of its values.
///
/// ```
/// use axum::{Router, routing::get};
/// use routines_http::{Propagation, ServerLayer, REQUEST_ID};
///
/// let app: Router = Router::new()
///     .route("/", get(async || REQUEST_ID.get().unwrap().to_string()))
///     .layer(ServerLayer::new(&Propagation::new()));
/// ```
#[derive(Debug, Clone)]
pub struct ServerLayer {
    propagation: Propagation,
    trust: Trust,
}

impl ServerLayer {
    /// A layer that takes in what this propagation agrees to, from [everybody](Trust::Everybody).
    pub fn new(propagation: &Propagation) -> Self {
        // Now, and not when a handler spawns for the first time: a frame that is open by then does not know its task.
        #[cfg(feature = "tokio")]
        routines_tokio::install();
        ServerLayer { propagation: propagation.clone(), trust: Trust::default() }
    }

    /// Takes ids and values only from those.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, inner: S) -> Server<S> {
        Server { inner, layer: self.clone() }
    }
}

/// The service [`ServerLayer`] makes.
#[derive(Debug, Clone)]
pub struct Server<S> {
    inner: S,
    layer: ServerLayer,
}

impl<S, B, R> Service<Request<B>> for Server<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let ServerLayer { propagation, trust } = &self.layer;
        let headers = request.headers();
        let incoming =
            if trust.covers(&request) { propagation.extract(headers) } else { propagation.extract_untrusted(headers) };
        let token = incoming.token();
        let is_head = request.method() == Method::HEAD;
        let name = name(&request);
        let interest = Arc::new(Interest::default());
        let work = incoming.with_interest(&interest).open(&token, || {
            let inner = WithBody { future: self.inner.call(request) };
            RoutineBuilder::new(Kind::Task).name(name).future(inner)
        });
        let guard = Some(token.guard().with_cause(Cause::Disconnected));
        ResponseFuture { work, client: Some(Client { guard, interest }), is_head }
    }
}

/// What dumps show: the method and the path, without the query, which may hold secrets.
fn name<B>(request: &Request<B>) -> String {
    let path = request.uri().path();
    let end = (0..=path.len().min(80)).rev().find(|end| path.is_char_boundary(*end)).unwrap_or(0);
    format!("{} {}", request.method(), &path[..end])
}

/// Whether the request is worth finishing only as long as its client waits.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    finishes: AtomicBool,
}

static INTEREST: Local<Arc<Interest>> = Local::new();

/// From here on the current request's client may leave: what the request has started, and will start, is not cancelled by it.
///
/// The handler itself is dropped all the same by servers that notice: what must be finished runs in a task of its own. On a whole
/// route, `FinishLayer` does both. Deadlines stay. Outside a request nothing happens.
///
/// ```
/// async fn pay() {
///     routines_http::let_client_leave();
///     routines_tokio::spawn(async { /* charge the card, write the receipt */ }).await.unwrap();
/// }
/// # let _ = pay;
/// ```
pub fn let_client_leave() {
    // Relaxed: it is read by whoever drops the response, after the handler has run or was dropped.
    INTEREST.with(|interest| interest.finishes.store(true, Ordering::Relaxed));
}

impl Incoming {
    fn with_interest(mut self, interest: &Arc<Interest>) -> Incoming {
        self.bindings = self.bindings.with(&INTEREST, interest.clone());
        self
    }
}

/// The client's wait for the response: dropped before its end, the request is cancelled.
struct Client {
    guard: Option<DropGuard>,
    interest: Arc<Interest>,
}

impl Client {
    fn leave_served(mut self) {
        self.let_go();
    }

    fn let_go(&mut self) {
        drop(self.guard.take().map(DropGuard::disarm));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.interest.finishes.load(Ordering::Relaxed) {
            self.let_go();
        }
    }
}

pin_project! {
    /// The future of [`Server`].
    pub struct ResponseFuture<F> {
        // Dropped first: the work is told that its client left, and then dropped.
        client: Option<Client>,
        #[pin]
        work: Carried<WithBody<F>>,
        is_head: bool,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.work.poll(cx));
        let client = this.client.take();
        let (parts, body) = match result {
            Ok(response) => response.into_parts(),
            Err(error) => {
                client.into_iter().for_each(Client::leave_served);
                return Poll::Ready(Err(error));
            }
        };
        let left = if *this.is_head { Some(0) } else { bytes_to_send(parts.status, &parts.headers) };
        let mut body = ResponseBody { body, client, left };
        body.look_for_the_end();
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}

/// The bytes after which a server stops asking for more, where it knows.
fn bytes_to_send(status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    let bodiless = status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    if bodiless { Some(0) } else { headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok() }
}

pin_project! {
    /// A handler's future that gives its response's body the context at its end, before the frame closes.
    struct WithBody<F> {
        #[pin]
        future: F,
    }
}

impl<F, R, E> Future for WithBody<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<Carried<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.project().future.poll(cx));
        Poll::Ready(result.map(|response| response.map(BodyExt::inherit)))
    }
}

pin_project! {
    /// The body of [`Server`]'s responses: runs in the request's context until its end.
    pub struct ResponseBody<R> {
        // Dropped first, as in `ResponseFuture`.
        client: Option<Client>,
        #[pin]
        body: Carried<R>,
        left: Option<u64>,
    }
}

impl<R: Body> ResponseBody<R> {
    fn look_for_the_end(&mut self) {
        if self.left == Some(0) || self.body.is_end_stream() {
            self.client.take().into_iter().for_each(Client::leave_served);
        }
    }
}

impl<R: Body> Body for ResponseBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        // Servers do not ask again after the last frame they need: what is sent has to be counted along.
        if let Some(Ok(frame)) = &frame
            && let (Some(left), Some(data)) = (this.left.as_mut(), frame.data_ref())
        {
            *left = left.saturating_sub(bytes::Buf::remaining(data) as u64);
        }
        let goes_on = matches!(frame, Some(Ok(_))) && *this.left != Some(0) && !this.body.is_end_stream();
        if !goes_on {
            this.client.take().into_iter().for_each(Client::leave_served);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<R: Body + Default> Default for ResponseBody<R> {
    fn default() -> Self {
        ResponseBody { body: R::default().detached(), client: None, left: Some(0) }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl<R> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("left", &self.left).finish_non_exhaustive()
    }
}
