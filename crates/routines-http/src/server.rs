//! Owns the server's side: each request in a frame of its own, its client's leaving told.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use bytes::Buf;
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body::{Body, Frame, SizeHint};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use pin_project_lite::pin_project;
use routines::{BodyExt, Carried, Kind, Local, RoutineBuilder};
use routines_cancel::{Cause, Token};
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
    /// Every client: for services behind others. The default. Whoever reaches the service may take any id and any value.
    #[default]
    Everybody,
    /// No client: for services that face strangers. They may still ask for a deadline: see
    /// [`max_timeout`](Propagation::max_timeout).
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
/// Put outside of everything that may answer instead of the service, or replace its response, and once only: whoever drops a
/// response before its end counts as its client, also a server that shuts down, and a layer inside another one begins the request
/// anew, with ids and trust of its own. What ends a response else is no disconnect: an error or a panic of the service or of the body,
/// a response without a body, an upgrade, whose connection outlives the request. Nothing is cancelled then: what a request started
/// may go on after it.
///
/// Costs about three microseconds and forty small allocations a request, and runs on the thread that calls the service; a panic of
/// the service or of a [`Trust`] goes on to the caller, and leaves nothing behind.
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
        let method = request.method().clone();
        let exchange = Arc::new(Exchange { name: name(&request), ..Exchange::default() });
        let work = incoming.with_exchange(&exchange).open(&token, || {
            let inner = WithBody { future: self.inner.call(request), exchange: exchange.clone() };
            RoutineBuilder::new(Kind::Task).name(&exchange.name).future(inner)
        });
        ResponseFuture { client: Some(Client { token: Some(token), exchange }), work, method }
    }
}

/// What dumps show: the method and the path, without the query, which may hold secrets; not all of it, and nothing that a
/// terminal obeys.
fn name<B>(request: &Request<B>) -> String {
    let path = utf8_percent_encode(cut(request.uri().path(), 80), CONTROLS);
    format!("{} {path}", cut(request.method().as_str(), 20))
}

fn cut(text: &str, most: usize) -> &str {
    let end = (0..=text.len().min(most)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// What is known about a request and its response wherever they are worked on. The flags are read by whoever polls or drops the
/// response, after they were set by it or by something it has waited for: relaxed is enough.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    name: String,
    /// Whether it is worth finishing after its client has left.
    finishes: AtomicBool,
    /// Whether the response's body says that it has ended.
    ended: AtomicBool,
}

static EXCHANGE: Local<Arc<Exchange>> = Local::new();

/// From here on the current request's client may leave: what the request has started, and will start, is not cancelled by it.
///
/// The handler itself is dropped all the same by servers that notice: what must be finished runs in a task of its own. On a whole
/// route, `FinishLayer` does both. Deadlines stay. May be called from any task of the request, and again; once the client has left it
/// is too late. Outside a request nothing happens. Costs a store.
///
/// ```
/// async fn pay() {
///     routines_http::let_client_leave();
///     routines_tokio::spawn(async { /* charge the card, write the receipt */ }).await.unwrap();
/// }
/// # let _ = pay;
/// ```
pub fn let_client_leave() {
    EXCHANGE.with(|exchange| exchange.finishes.store(true, Ordering::Relaxed));
}

impl Incoming {
    fn with_exchange(mut self, exchange: &Arc<Exchange>) -> Incoming {
        self.bindings = self.bindings.with(&EXCHANGE, exchange.clone());
        self
    }
}

/// The client's wait for the response: dropped before its end, the request is cancelled.
struct Client {
    /// What is cancelled then; `None` once the client has got all.
    token: Option<Token>,
    exchange: Arc<Exchange>,
}

impl Client {
    /// Itself, if there is more to send; else it has got all.
    fn stays_for(self, left: Option<u64>) -> Option<Client> {
        if left == Some(0) || self.exchange.ended.load(Ordering::Relaxed) {
            self.leave_served();
            return None;
        }
        Some(self)
    }

    fn leave_served(mut self) {
        self.token = None;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A panic, of the work or of whoever holds the response, is no client that leaves.
        if self.exchange.finishes.load(Ordering::Relaxed) || thread::panicking() {
            return;
        }
        // A client gives up at its deadline, which is ours: whoever is first, it was the time.
        if let Some(token) = &self.token {
            let late = token.remaining() == Some(Duration::ZERO);
            token.cancel_with(if late { Cause::DeadlineExceeded } else { Cause::Disconnected });
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
        method: Method,
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
        // In hand, so that a panic drops it at once.
        let client = this.client.take();
        let Poll::Ready(result) = this.work.poll(cx) else {
            *this.client = client;
            return Poll::Pending;
        };
        let (parts, Made { body, size, exchange }) = match result {
            Ok(response) => response.into_parts(),
            Err(error) => {
                client.into_iter().for_each(Client::leave_served);
                return Poll::Ready(Err(error));
            }
        };
        // Where the head does not tell, servers take the length from the body.
        let left = bytes_to_send(this.method, parts.status, &parts.headers).or(size.exact());
        let client = client.and_then(|client| client.stays_for(left));
        Poll::Ready(Ok(Response::from_parts(parts, ResponseBody { client, body, left, size: Some(size), exchange })))
    }
}

/// The bytes after which a server stops asking for more, where the head tells.
fn bytes_to_send(method: &Method, status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    let bodiless = method == Method::HEAD
        || (method == Method::CONNECT && status.is_success())
        || status.is_informational()
        || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    if bodiless { Some(0) } else { headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok() }
}

pin_project! {
    /// A handler's future that gives its response's body the context at its end, before the frame closes.
    struct WithBody<F> {
        #[pin]
        future: F,
        exchange: Arc<Exchange>,
    }
}

impl<F, R, E> Future for WithBody<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<Made<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        Poll::Ready(Ok(response.map(|body| Made::new(body, this.exchange.clone()))))
    }
}

/// A body that was just made, and what it said about itself: asked here, where the frame is open.
struct Made<R> {
    body: Carried<Watched<R>>,
    size: SizeHint,
    exchange: Arc<Exchange>,
}

impl<R: Body> Made<R> {
    fn new(body: R, exchange: Arc<Exchange>) -> Self {
        exchange.ended.store(body.is_end_stream(), Ordering::Relaxed);
        let size = body.size_hint();
        Made { body: Watched { body, exchange: exchange.clone(), named: false }.inherit(), size, exchange }
    }
}

pin_project! {
    /// A body that tells when it has ended, and whose routine has the request's name if it lives long enough for anybody to ask.
    struct Watched<R> {
        #[pin]
        body: R,
        exchange: Arc<Exchange>,
        named: bool,
    }
}

impl<R: Body> Body for Watched<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let mut this = self.project();
        let frame = this.body.as_mut().poll_frame(cx);
        if frame.is_pending() {
            if !std::mem::replace(this.named, true) {
                routines::set_name(&this.exchange.name);
            }
        } else if matches!(frame, Poll::Ready(None)) || this.body.is_end_stream() {
            this.exchange.ended.store(true, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// The body of [`Server`]'s responses: runs in the request's context until its end.
    pub struct ResponseBody<R> {
        // Dropped first, as in `ResponseFuture`.
        client: Option<Client>,
        #[pin]
        body: Carried<Watched<R>>,
        left: Option<u64>,
        // What the body said of it before it was polled.
        size: Option<SizeHint>,
        exchange: Arc<Exchange>,
    }
}

impl<R: Body> Body for ResponseBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let this = self.project();
        // In hand, as in `ResponseFuture`.
        let client = this.client.take();
        *this.size = None;
        let Poll::Ready(frame) = this.body.poll_frame(cx) else {
            *this.client = client;
            return Poll::Pending;
        };
        match &frame {
            Some(Ok(frame)) if !frame.is_trailers() => {
                // Servers do not ask again after the last frame they need: what is sent has to be counted along.
                count(this.left, frame);
                *this.client = client.and_then(|client| client.stays_for(*this.left));
            }
            _ => client.into_iter().for_each(Client::leave_served),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.ended.load(Ordering::Relaxed)
    }

    fn size_hint(&self) -> SizeHint {
        self.size.unwrap_or_else(|| self.body.size_hint())
    }
}

/// Takes what is in this frame off the bytes that are left to be sent.
fn count<D: Buf>(left: &mut Option<u64>, frame: &Frame<D>) {
    if let (Some(left), Some(data)) = (left, frame.data_ref()) {
        *left = left.saturating_sub(data.remaining() as u64);
    }
}

impl<R: Body + Default> Default for ResponseBody<R> {
    fn default() -> Self {
        let Made { body, size, exchange } = Made::new(R::default(), Arc::default());
        ResponseBody { client: None, body, left: Some(0), size: Some(size), exchange }
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
