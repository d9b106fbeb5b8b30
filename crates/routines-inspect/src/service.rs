//! Owns the page as an HTTP service to mount.

mod watcher;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::guard::Loopback;
use crate::page::{self, Collected, Query};
use watcher::Watcher;

/// Who may see the page, and profiles.
///
/// ```
/// let own_machine_only = routines_inspect::Options::default();
/// let whole_network = routines_inspect::Options::default().allow_any_peer();
/// # let _ = (own_machine_only, whole_network);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Options {
    any_peer: bool,
}

impl Options {
    /// Lets everybody in who can reach the port: for networks and proxies that keep others out.
    ///
    /// The page shows every named value that is not redacted, profiles those of labelled keys.
    pub fn allow_any_peer(mut self) -> Self {
        self.any_peer = true;
        self
    }

    /// Puts [`Loopback`] in front of routes, unless everybody is let in.
    pub fn guard(&self, routes: Router) -> Router {
        if self.any_peer { routes } else { routes.route_layer(Loopback) }
    }
}

/// The page's routes, to be merged into a service.
///
/// | path | |
/// |---|---|
/// | `/debug/routines` | the page |
/// | `/debug/routines/json` | [`page::json`], asked by [`Query`] |
/// | `/debug/routines/text?debug=1`, `2` | [`page::grouped`], [`page::each`] |
/// | `/debug/routines/tree` | [`page::tree`] |
///
/// Only peers on this machine are let in ([`Loopback`]), unless told otherwise. Routines are collected on a thread of its own, which
/// starts with the first request and ends five seconds after the last; requests that come within 200 ms of each other
/// share one collection. While that thread lives, polls are timed. So a page being watched costs one thread at most, and one
/// that nobody watches nothing. More than 64 waiting requests get status 503.
///
/// ```no_run
/// # async fn serve() -> std::io::Result<()> {
/// use std::net::SocketAddr;
///
/// let app = axum::Router::new().merge(routines_inspect::router(routines_inspect::Options::default()));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
/// # }
/// ```
pub fn router(options: Options) -> Router {
    let router = Router::new()
        .route("/debug/routines", get(async || typed("text/html; charset=utf-8", page::html())))
        .route("/debug/routines/", get(async || Redirect::temporary("../routines")))
        .route("/debug/routines/app.js", get(async || typed("text/javascript; charset=utf-8", page::script())))
        .route("/debug/routines/style.css", get(async || typed("text/css; charset=utf-8", page::style())))
        .route("/debug/routines/icon.svg", get(async || typed("image/svg+xml", page::icon())))
        .route("/debug/routines/json", get(json))
        .route("/debug/routines/text", get(text))
        .route("/debug/routines/tree", get(tree))
        .with_state(Watcher::default());
    options.guard(router).route_layer(map_response(harden))
}

/// Serves the page on a port of its own, until the future is dropped.
///
/// ```no_run
/// # async fn serve() -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:6060").await?;
/// routines_inspect::serve(listener, routines_inspect::Options::default()).await
/// # }
/// ```
///
/// A runtime whose threads are all blocked serves nothing: to look inside it then, call this on a runtime of its own thread.
///
/// # Errors
///
/// Those of the listener.
pub fn serve(listener: TcpListener, options: Options) -> impl Future<Output = io::Result<()>> + Send {
    let service = router(options).into_make_service_with_connect_info::<SocketAddr>();
    async move { axum::serve(listener, service).await }
}

const TEXT: &str = "text/plain; charset=utf-8";

async fn json(State(watcher): State<Watcher>, RawQuery(query): RawQuery) -> Response {
    match Query::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => answer(&watcher, "application/json", move |all| all.json(&query)).await,
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

async fn text(State(watcher): State<Watcher>, RawQuery(query): RawQuery) -> Response {
    match query.as_deref().unwrap_or_default() {
        "" | "debug=1" => answer(&watcher, TEXT, |all| all.grouped().into_bytes()).await,
        "debug=2" => answer(&watcher, TEXT, |all| all.each().into_bytes()).await,
        _ => (StatusCode::BAD_REQUEST, "expected debug=1 (grouped) or debug=2 (each)\n").into_response(),
    }
}

async fn tree(State(watcher): State<Watcher>) -> Response {
    answer(&watcher, TEXT, |all| all.tree().into_bytes()).await
}

async fn answer(
    watcher: &Watcher,
    kind: &'static str,
    view: impl FnOnce(&Collected) -> Vec<u8> + Send + 'static,
) -> Response {
    match watcher.ask(view).await {
        Some(bytes) => typed(kind, bytes),
        None => (StatusCode::SERVICE_UNAVAILABLE, "too many look at once\n").into_response(),
    }
}

fn typed(kind: &'static str, body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

/// Nothing but the page's own files may be loaded, run, framed or kept.
const HARDENED: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

async fn harden(mut response: Response) -> Response {
    let headers = HARDENED.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value)));
    response.headers_mut().extend(headers);
    response
}
