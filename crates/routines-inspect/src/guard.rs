//! Owns who may look inside the process: a layer that lets only this machine in.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{HOST, HeaderMap, HeaderName};
use axum::http::uri::Authority;
use axum::http::{Extensions, Request, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use futures_util::future::Either;
use tower::{Layer, Service};

/// Refuses requests that do not come from this machine, with status 403 and a text that says what to do.
///
/// Let in is a request
///
/// - whose peer has a loopback address. It is taken from axum's `ConnectInfo<SocketAddr>`: the server must be made by
///   `into_make_service_with_connect_info::<SocketAddr>()`. Where nobody tells the peer, nobody is let in;
/// - whose `Host` is `localhost` or a loopback address: else a page from anywhere could have its own name point to this
///   machine and read what is here through its visitor's browser;
/// - which no proxy says to have forwarded (`Forwarded`, `X-Forwarded-For`, `X-Real-IP`, `Via`): a proxy on this machine is not its
///   client. A proxy that says nothing cannot be told from a local reader; behind one, serve on a port of its own;
/// - which a browser does not send for another site's page (`Sec-Fetch-Site: cross-site`).
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use routines_inspect::guard::Loopback;
///
/// let app: Router = Router::new().route("/debug/secret", get(async || "…")).route_layer(Loopback);
/// # let _ = app;
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Loopback;

impl<S> Layer<S> for Loopback {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner }
    }
}

/// A service behind [`Loopback`].
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response<Body>, Infallible>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match check(request.extensions(), request.headers(), request.uri()) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(why) => Either::Left(ready(Ok((StatusCode::FORBIDDEN, why).into_response()))),
        }
    }
}

const UNKNOWN_PEER: &str = "Only this machine may look here, and the server does not tell who asks.\n\
    Serve with `into_make_service_with_connect_info::<SocketAddr>()`, or let any peer in with `Options::allow_any_peer`.\n";
const OTHER_PEER: &str = "Only this machine may look here, and you come from elsewhere.\n\
    Log in there, or let any peer in with `Options::allow_any_peer`.\n";
const OTHER_HOST: &str = "Only this machine may look here, under its own name.\n\
    Ask for `localhost`, `127.0.0.1` or `[::1]`, or let any peer in with `Options::allow_any_peer`.\n";
const FORWARDED: &str = "Only this machine may look here, and a proxy sends this for somebody else.\n\
    Ask without the proxy, or let any peer in with `Options::allow_any_peer`.\n";
const OTHER_SITE: &str = "Another site's page may not look here.\n";

fn check(extensions: &Extensions, headers: &HeaderMap, uri: &Uri) -> Result<(), &'static str> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>().ok_or(UNKNOWN_PEER)?;
    if !is_loopback(peer.ip()) {
        return Err(OTHER_PEER);
    }
    if !asks_for_loopback(headers, uri) {
        return Err(OTHER_HOST);
    }
    let proxied = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].map(HeaderName::from_static);
    if proxied.iter().any(|name| headers.contains_key(name)) {
        return Err(FORWARDED);
    }
    match headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        true => Err(OTHER_SITE),
        false => Ok(()),
    }
}

/// Each name the request gives the server, and at least one: HTTP/1 in the header, HTTP/2 in the URI.
fn asks_for_loopback(headers: &HeaderMap, uri: &Uri) -> bool {
    let mut named = false;
    let hosts = headers.get_all(HOST).iter().map(|host| Authority::try_from(host.as_bytes()).ok());
    let own = hosts.chain(uri.authority().cloned().map(Some)).all(|host| {
        named = true;
        host.is_some_and(|host| is_own_name(&host))
    });
    named && own
}

fn is_own_name(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
