//! Owns a client's connection: one socket, closed at the very moment its owner wants to leave.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::context;

/// What a client sends.
pub(super) type Upload = UnsyncBoxBody<Bytes, Infallible>;

/// No body.
pub(super) fn nothing() -> Upload {
    Empty::new().boxed_unsync()
}

/// A connection. Dropping it closes the socket, whatever is under way.
pub(super) struct Wire {
    sender: SendRequest<Upload>,
    _socket: AbortOnDropHandle<hyper::Result<()>>,
}

impl Wire {
    pub(super) async fn connect(address: SocketAddr) -> Result<Wire, Box<dyn Error + Send + Sync>> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        Ok(Wire { sender, _socket: AbortOnDropHandle::new(tokio::spawn(connection)) })
    }

    /// This connection if it takes another request, or else a new one.
    pub(super) async fn or_connect(wire: Option<Wire>, to: SocketAddr) -> Result<Wire, Box<dyn Error + Send + Sync>> {
        if let Some(mut wire) = wire
            && wire.is_ready().await
        {
            return Ok(wire);
        }
        Wire::connect(to).await
    }

    /// Whether it takes another request; waits until the last one is through.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub(super) async fn send(&mut self, request: Request<Upload>) -> hyper::Result<Response<Incoming>> {
        self.sender.send_request(request).await
    }
}

/// An order's request, with all that its client says of it.
pub(super) fn request(path: &str, order: u64, timeout: Option<Duration>, body: Upload) -> Request<Upload> {
    let headers = context::headers(order, timeout);
    let request = Request::post(path).header("host", "front");
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    request.body(body).expect("paths and headers are made of letters, digits and escapes")
}

/// The status and the whole text of a response.
pub(super) async fn read(response: Response<Incoming>) -> hyper::Result<(u16, Bytes)> {
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}
