//! Owns the front: takes orders over HTTP, asks the inventory, gives the worker its job.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use futures_util::stream::unfold;
use routines_cancel::Token;
use routines_http::{DeadlineLayer, Destination, FinishLayer, Propagation, ServerLayer};
use routines_tonic::ClientLayer;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use tower::Layer;

use super::broker::{Fields, Jobs};
use super::context::{INVENTORY, Owner};
use super::line;
use super::rpc::{InventoryClient, Reserve, Reserved};

/// No order is larger.
const LARGEST: usize = 1 << 20;
/// Calls that are given up are reset streams. What still comes for one that is forgotten counts as an error, and a connection with
/// too many of them is closed, with all its other calls.
const REMEMBERED: usize = 10_000;
/// So long it takes to write a page.
const PAGE: Duration = Duration::from_millis(1);

/// What a client wants to happen to its order.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Wish {
    /// So long the inventory takes.
    pub(super) hold: u64,
    /// So long the worker takes; without it there is no job.
    pub(super) job: Option<u64>,
    /// So many more lines the answer has, if it is one in pages.
    #[serde(default)]
    pub(super) pages: u32,
}

/// What a client gets: whose each hop took the order for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    pub(super) order: u64,
    pub(super) front: Owner,
    pub(super) inventory: Owner,
}

/// The front's neighbours.
#[derive(Clone)]
pub(super) struct Front {
    inventory: Inventory,
    jobs: Option<Jobs>,
    fleet: Option<Propagation>,
}

#[derive(Clone)]
enum Inventory {
    Layered(InventoryClient<routines_tonic::Client<Channel>>),
    Bare(InventoryClient<Channel>),
}

impl Front {
    /// Connects to the neighbours; without layers if there is nothing to propagate.
    pub(super) async fn open(
        inventory: SocketAddr,
        broker: Option<SocketAddr>,
        fleet: Option<Propagation>,
    ) -> Result<Front, Box<dyn Error>> {
        let channel = Endpoint::from_shared(format!("http://{inventory}"))?
            .http2_max_concurrent_reset_streams(REMEMBERED)
            .connect()
            .await?;
        let inventory = match &fleet {
            Some(fleet) => {
                Inventory::Layered(InventoryClient::new(ClientLayer::new(fleet).host(INVENTORY).layer(channel)))
            }
            None => Inventory::Bare(InventoryClient::new(channel)),
        };
        let jobs = match broker {
            Some(address) => Some(Jobs::open(address).await?),
            None => None,
        };
        Ok(Front { inventory, jobs, fleet })
    }

    /// Serves until `server` is cancelled, which tells what is in flight.
    pub(super) async fn serve(self, listener: TcpListener, server: Token) -> io::Result<()> {
        let end = server.clone();
        let end = async move { drop(end.cancelled().await) };
        let app = match self.fleet.clone() {
            // What is inside comes last.
            Some(fleet) => Router::new()
                .route("/orders/{order}", post(order).layer(DeadlineLayer::new()))
                .route("/writes/{order}", post(order).layer(FinishLayer::new()))
                .route("/pages/{order}", post(pages).layer(DeadlineLayer::new()))
                .with_state(self)
                .layer(ServerLayer::new(&fleet))
                .layer(from_fn_with_state(server, below)),
            None => Router::new()
                .route("/orders/{order}", post(order))
                .route("/writes/{order}", post(order))
                .with_state(self),
        };
        // A socket that cannot be told so is gone.
        let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
        axum::serve(listener, app).with_graceful_shutdown(end).await
    }

    /// Asks the inventory to put the goods aside.
    async fn reserve(&self, order: u64, millis: u64) -> Result<Reserved, Status> {
        let message = Reserve { order, millis };
        let answer = match self.inventory.clone() {
            Inventory::Layered(mut client) => client.reserve(message).await,
            Inventory::Bare(mut client) => client.reserve(message).await,
        };
        answer.map(tonic::Response::into_inner)
    }

    /// Gives the worker its job, with the context of this request.
    async fn publish(&self, order: u64, millis: u64) -> Result<(), Failure> {
        let Some(mut jobs) = self.jobs.clone() else { return Ok(()) };
        let mut fields = Fields::from([
            ("order".to_owned(), order.to_string().into()),
            ("millis".to_owned(), millis.to_string().into()),
        ]);
        if let Some(fleet) = &self.fleet {
            fleet
                .inject(&mut fields, &Destination::queue())
                .map_err(|cause| Failure::from(routines_tonic::status(&cause)))?;
        }
        jobs.publish(&fields).await.map_err(|error| Failure(StatusCode::BAD_GATEWAY, error.to_string()))
    }
}

/// Runs a request below the server's token.
async fn below(State(server): State<Token>, request: Request, next: Next) -> Response {
    server.scope(next.run(request)).await
}

async fn order(
    State(front): State<Front>,
    Path(order): Path<u64>,
    Query(wish): Query<Wish>,
    body: Body,
) -> Result<Json<Receipt>, Failure> {
    line::log_arrival(order);
    to_bytes(body, LARGEST).await.map_err(|error| Failure(StatusCode::BAD_REQUEST, error.to_string()))?;
    let reserved = front.reserve(order, wish.hold).await;
    let tell = |status: &Status| line::log_answer_of_cancelled(order, routines_tonic::cause(status));
    let Reserved { request_id, trace_id, tenant } = reserved.inspect_err(tell)?;
    if let Some(millis) = wish.job {
        front.publish(order, millis).await?;
    }
    line::log(order, line::DONE);
    Ok(Json(Receipt { order, front: Owner::current(), inventory: Owner { request_id, trace_id, tenant } }))
}

/// The receipt, a line for each page, written while the body is sent: each says whose it is taken for then.
async fn pages(state: State<Front>, path: Path<u64>, query: Query<Wish>, body: Body) -> Result<Response, Failure> {
    let (number, more) = (path.0, query.pages);
    let Json(receipt) = order(state, path, query, body).await?;
    let lines = unfold(0..=more, move |mut left| {
        let inventory = receipt.inventory.clone();
        async move {
            left.next()?;
            tokio::time::sleep(PAGE).await;
            let receipt = Receipt { order: number, front: Owner::current(), inventory };
            let line = serde_json::to_string(&receipt).map(|line| line + "\n");
            Some((line, left))
        }
    });
    Ok(Body::from_stream(lines).into_response())
}

/// Why there is no receipt.
struct Failure(StatusCode, String);

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let code = match routines_tonic::cause(&status) {
            Some(cause) if cause.is_deadline() => StatusCode::GATEWAY_TIMEOUT,
            Some(_) => StatusCode::SERVICE_UNAVAILABLE,
            None => StatusCode::BAD_GATEWAY,
        };
        Failure(code, status.message().to_owned())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}
