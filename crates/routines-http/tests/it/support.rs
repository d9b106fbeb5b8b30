//! Owns what the tests of both sides share: a real server on loopback, and what its handlers saw.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use routines_http::{Propagated, Propagation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub(crate) static TENANT: Propagated<String> = Propagated::baggage("tenant");
pub(crate) static REGION: Propagated<String> = Propagated::header("x-region");

pub(crate) fn fleet() -> Propagation {
    Propagation::new().key(&TENANT).key(&REGION).baggage_to(["127.0.0.1", "*.internal"])
}

/// Serves `app` on a free loopback port for as long as the runtime lives.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// A connection on which a test writes what it likes.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn open(address: SocketAddr) -> Raw {
        Raw(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, request: &str) {
        self.0.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
    }

    /// Reads until the connection has said that.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        soon(async {
            while !String::from_utf8_lossy(&read).contains(end) {
                let mut some = [0; 4096];
                let n = self.0.read(&mut some).await.unwrap();
                assert_ne!(n, 0, "closed after {:?}", String::from_utf8_lossy(&read));
                read.extend_from_slice(&some[..n]);
            }
        })
        .await;
        String::from_utf8(read).unwrap()
    }
}

/// What handlers tell tests.
pub(crate) struct Told(pub(crate) UnboundedSender<String>, UnboundedReceiver<String>);

impl Told {
    pub(crate) fn new() -> Told {
        let (tell, told) = unbounded_channel();
        Told(tell, told)
    }

    pub(crate) async fn next(&mut self) -> String {
        soon(self.1.recv()).await.expect("a sender is kept")
    }

    pub(crate) fn nothing_more(&mut self) -> bool {
        self.1.try_recv().is_err()
    }
}

/// A bound for what must happen, not a measurement.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it did not happen")
}
