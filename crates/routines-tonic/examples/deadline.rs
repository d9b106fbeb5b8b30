//! A deadline that goes with a call, through a service that never mentions it, to the next one.
//!
//! The services are health checks, whose code needs no protobuf compiler.
//!
//! ```sh
//! cargo run -p routines-tonic --example deadline
//! ```

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use routines_cancel::{remaining, with_timeout};
use routines_http::{Propagation, ServerLayer};
use routines_tonic::{Client, ClientLayer};
use tokio::net::TcpListener;
use tokio_stream::{Empty, wrappers::TcpListenerStream};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, async_trait};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::Layer;

type Clock = Arc<Mutex<Vec<Option<Duration>>>>;

/// Notes the time it has, then asks the next service; without one it takes for ever.
struct Service {
    clock: Clock,
    next: Option<HealthClient<Client<Channel>>>,
}

#[async_trait]
impl Health for Service {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        self.clock.lock().expect("nobody panics").push(remaining());
        match self.next.clone() {
            Some(mut next) => next.check(request.into_inner()).await,
            None => std::future::pending().await,
        }
    }

    type WatchStream = Empty<Result<HealthCheckResponse, Status>>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not shown here"))
    }
}

/// Serves on the loopback; gives back a client that sends on what its caller carries.
async fn serve(service: Service) -> Result<HealthClient<Client<Channel>>, Box<dyn Error>> {
    let fleet = Propagation::new();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = Server::builder().layer(ServerLayer::new(&fleet)).add_service(HealthServer::new(service));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Endpoint::from_shared(url)?.connect().await?;
    Ok(HealthClient::new(ClientLayer::new(&fleet).layer(channel)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let clock = Clock::default();
    let inventory = serve(Service { clock: clock.clone(), next: None }).await?;
    let mut front = serve(Service { clock: clock.clone(), next: Some(inventory) }).await?;

    // As in a request that came with one second.
    let time = Duration::from_secs(1);
    let late = with_timeout(time).scope(async { front.check(HealthCheckRequest::default()).await }).await;
    let status = late.expect_err("the last service takes for ever");
    println!("{:?}: {}", status.code(), status.message());
    assert_eq!(status.code(), Code::DeadlineExceeded);

    let left = clock.lock().expect("nobody panics").clone();
    println!("left at each hop: {left:?}");
    assert_eq!(left.len(), 2);
    assert!(left[0].is_some_and(|left| left < time) && left[1].is_some() && left[1] < left[0]);
    Ok(())
}
