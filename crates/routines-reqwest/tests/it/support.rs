//! Owns the servers the tests call, and the clients.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::handler::Handler;
use http::HeaderMap;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use routines_http::{Propagated, Propagation};
use routines_reqwest::{PropagationMiddleware, redirects_to_the_same_host};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub(crate) static TENANT: Propagated<String> = Propagated::baggage("tenant");

/// Longer than any test: a deadline that is not meant to pass.
pub(crate) const LONG: Duration = Duration::from_secs(600);

pub(crate) fn fleet() -> Propagation {
    Propagation::new().key(&TENANT).baggage_to(["stock.internal"])
}

/// Answers every path so, on the loopback.
pub(crate) async fn serve<T: 'static>(handler: impl Handler<T, ()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(handler);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A server that answers `ok` and tells the headers that came.
pub(crate) async fn mirror() -> (SocketAddr, UnboundedReceiver<HeaderMap>) {
    let (tell, told) = unbounded_channel();
    let address = serve(async move |headers: HeaderMap| {
        tell.send(headers).unwrap();
        "ok"
    })
    .await;
    (address, told)
}

/// A client to which these names are that server.
pub(crate) fn plain(server: SocketAddr) -> reqwest::ClientBuilder {
    let names = ["stock.internal", "example.com"];
    names.iter().fold(reqwest::Client::builder(), |client, name| client.resolve(name, server))
}

pub(crate) fn client(server: SocketAddr) -> ClientWithMiddleware {
    let plain = plain(server).redirect(redirects_to_the_same_host()).build().unwrap();
    ClientBuilder::new(plain).with(PropagationMiddleware::new(&fleet())).build()
}

pub(crate) fn url(host: &str, server: SocketAddr) -> String {
    format!("http://{host}:{}/", server.port())
}

/// Says so when it is dropped.
pub(crate) struct Dropped(pub(crate) UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _nobody_listens_any_more = self.0.send(());
    }
}

/// The next that is told, within a minute.
pub(crate) async fn next<T>(told: &mut UnboundedReceiver<T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), told.recv()).await.expect("told in time").unwrap()
}

/// What it resolves to, within a minute.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("done in time")
}

/// The milliseconds left that a request came with.
pub(crate) fn left(headers: &HeaderMap) -> u64 {
    headers["x-request-timeout-ms"].to_str().unwrap().parse().unwrap()
}
