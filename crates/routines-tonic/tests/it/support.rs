//! Owns the services the tests call: health checks, whose code needs no protobuf compiler, with handlers of the tests' own.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use routines::FutureExt;
use routines_cancel::{Cause, cancelled};
use routines_http::{Propagated, Propagation, ServerLayer};
use routines_tonic::{Client, ClientLayer};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::Layer;

pub(crate) static TENANT: Propagated<String> = Propagated::baggage("tenant");

/// Longer than any test: a deadline that is not meant to pass.
pub(crate) const LONG: Duration = Duration::from_secs(600);

pub(crate) fn fleet() -> Propagation {
    Propagation::new().key(&TENANT).baggage_to(["inventory"])
}

pub(crate) type Answer = Result<Response<HealthCheckResponse>, Status>;
pub(crate) type Messages = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;
type Handler = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// Answers a check by one function, and a watch by the other.
#[derive(Clone)]
pub(crate) struct Service {
    check: Handler,
    watch: Arc<dyn Fn() -> Messages + Send + Sync>,
}

impl Service {
    pub(crate) fn checking<F: Future<Output = Answer> + Send + 'static>(
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Service { check: Arc::new(move || Box::pin(check())), watch: Arc::new(|| Box::pin(tokio_stream::empty())) }
    }

    pub(crate) fn watching(watch: impl Fn() -> Messages + Send + Sync + 'static) -> Self {
        Service { watch: Arc::new(watch), ..Service::checking(async || ok()) }
    }

    /// On the loopback, behind the layer of the server's side.
    pub(crate) async fn serve(self) -> Channel {
        self.serve_with(&fleet()).await
    }

    pub(crate) async fn serve_with(self, fleet: &Propagation) -> Channel {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().layer(ServerLayer::new(fleet)).add_service(HealthServer::new(self));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Endpoint::from_shared(url).unwrap().connect().await.unwrap()
    }
}

#[async_trait]
impl Health for Service {
    async fn check(&self, _: Request<HealthCheckRequest>) -> Answer {
        (self.check)().await
    }

    type WatchStream = Messages;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Messages>, Status> {
        Ok(Response::new((self.watch)()))
    }
}

pub(crate) fn ok() -> Answer {
    Ok(Response::new(HealthCheckResponse::default()))
}

/// A client with our layer, to a host that may receive values.
pub(crate) fn client(channel: Channel) -> HealthClient<Client<Channel>> {
    HealthClient::new(ClientLayer::new(&fleet()).host("inventory").layer(channel))
}

pub(crate) fn ask() -> HealthCheckRequest {
    HealthCheckRequest::default()
}

/// The next that is told, within a minute.
pub(crate) async fn next<T>(told: &mut UnboundedReceiver<T>) -> T {
    soon(told.recv()).await.unwrap()
}

/// Tells why the current routine is cancelled, from a task that outlives its handler.
pub(crate) fn watch_for_the_end(tell: UnboundedSender<Cause>) {
    tokio::spawn(async move { tell.send(cancelled().await) }.inherit());
}

/// What it resolves to, within a minute.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("done in time")
}
