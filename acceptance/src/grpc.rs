//! Owns the Rust hop's gRPC: one method, `/hop.Hop/Go`, whose messages are plain bytes.

use std::convert::Infallible;
use std::task::{Context, Poll};

use anyhow::Result;
use axum::http::uri::PathAndQuery;
use bytes::Bytes;
use routines_cancel::Cause;
use routines_http::ServerLayer;
use routines_tonic::ClientLayer;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, http};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tower::{Layer, Service};

use crate::codec::BytesCodec;
use crate::hop::{self, PROPAGATION, Received};
use crate::protocol::{Protocol, Record, Work};

pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    let server = Server::builder().layer(ServerLayer::new(&PROPAGATION)).add_service(Hop);
    Ok(server.serve_with_incoming(TcpListenerStream::new(listener)).await?)
}

/// The routes that a generated service would have.
#[derive(Clone, Copy, Debug)]
struct Hop;

impl NamedService for Hop {
    const NAME: &'static str = "hop.Hop";
}

impl Service<http::Request<Body>> for Hop {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async { Ok(tonic::server::Grpc::new(BytesCodec).unary(Go, request).await) })
    }
}

/// The method.
struct Go;

impl UnaryService<Bytes> for Go {
    type Response = Bytes;
    type Future = BoxFuture<Response<Bytes>, Status>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(async {
            let (metadata, _, message) = request.into_parts();
            let work = serde_json::from_slice(&message).map_err(|error| Status::invalid_argument(error.to_string()))?;
            let records = hop::handle(Received::new(Protocol::Grpc, &metadata.into_headers()), work).await;
            let records = records.map_err(|error| status(&error))?;
            Ok(Response::new(serde_json::to_vec(&records).map_err(|error| Status::internal(error.to_string()))?.into()))
        })
    }
}

fn status(error: &anyhow::Error) -> Status {
    match error.downcast_ref::<Cause>() {
        Some(cause) => routines_tonic::status(cause),
        None => Status::unavailable(format!("{error:#}")),
    }
}

/// Sends a request on; tonic's channel under the layer that adds the context, deadline included.
pub(crate) async fn send(addr: &str, work: &Work) -> Result<Vec<Record>> {
    let channel: Channel = Endpoint::from_shared(format!("http://{addr}"))?.connect_lazy();
    let mut client = tonic::client::Grpc::new(ClientLayer::new(&PROPAGATION).host("127.0.0.1").layer(channel));
    client.ready().await?;
    let message = Request::new(Bytes::from(serde_json::to_vec(work)?));
    let path = PathAndQuery::from_static("/hop.Hop/Go");
    let answer: Response<Bytes> = client.unary(message, path, BytesCodec).await?;
    Ok(serde_json::from_slice(answer.get_ref())?)
}
