//! Owns the inventory: a gRPC service that takes its time, and stops when nobody waits for it any more.

use std::time::Duration;

use routines_cancel::until_cancelled;
use routines_http::{Propagation, ServerLayer};
use routines_tonic::status;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Error, Server};
use tonic::{Request, Response, Status, async_trait};

use super::context::Owner;
use super::line;
use super::rpc::{Inventory, InventoryServer, Reserve, Reserved};

/// Calls that are given up are reset streams; a caller with many of them at once is taken for an attacker, and its connection closed.
const RESETS: usize = 10_000;

/// Serves until the process ends; without layers if there is nothing to propagate.
pub(super) async fn serve(listener: TcpListener, fleet: Option<Propagation>) -> Result<(), Error> {
    let listener = TcpIncoming::from(listener).with_nodelay(Some(true));
    let service = InventoryServer::new(Shelves);
    let server = Server::builder().http2_max_pending_accept_reset_streams(Some(RESETS));
    match fleet {
        Some(fleet) => server.layer(ServerLayer::new(&fleet)).add_service(service).serve_with_incoming(listener).await,
        None => server.clone().add_service(service).serve_with_incoming(listener).await,
    }
}

#[derive(Debug)]
struct Shelves;

#[async_trait]
impl Inventory for Shelves {
    async fn reserve(&self, request: Request<Reserve>) -> Result<Response<Reserved>, Status> {
        let Reserve { order, millis } = request.into_inner();
        line::log_arrival(order);
        if millis > 0 {
            let search = tokio::time::sleep(Duration::from_millis(millis));
            until_cancelled(search).await.map_err(|cause| status(&cause))?;
        }
        line::log(order, line::DONE);
        let Owner { request_id, trace_id, tenant } = Owner::current();
        Ok(Response::new(Reserved { request_id, trace_id, tenant }))
    }
}
