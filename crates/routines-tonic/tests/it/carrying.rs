//! What goes along with a call, and to whom.

use routines_http::{ClientLayer, Incoming, REQUEST_ID, TRACE, TraceContext};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use tower::Layer;

use crate::support::{Service, TENANT, ask, client, fleet, next, ok};

type Seen = (String, TraceContext, Option<String>);

async fn mirror() -> (Channel, UnboundedReceiver<Seen>) {
    let (tell, told) = unbounded_channel();
    let service = Service::checking(move || {
        let seen = (REQUEST_ID.get().unwrap().to_string(), TRACE.get().unwrap(), TENANT.get());
        tell.send(seen).unwrap();
        std::future::ready(ok())
    });
    (service.serve().await, told)
}

fn request() -> Incoming {
    let headers = [
        ("x-request-id", "req-7"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("tracestate", "vendor=1"),
        ("baggage", "tenant=S%C3%A3o%20Paulo"),
    ];
    fleet().extract(&headers)
}

#[tokio::test]
async fn ids_trace_and_values_are_ambient_in_the_handler() {
    let (channel, mut told) = mirror().await;
    request().scope(async { client(channel).check(ask()).await.unwrap() }).await;
    let (id, trace, tenant) = next(&mut told).await;
    assert_eq!((id.as_str(), tenant.as_deref()), ("req-7", Some("São Paulo")));
    assert_eq!(trace.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(trace.state.header(), "vendor=1");
}

#[tokio::test]
async fn a_channel_whose_host_nobody_named_gets_ids_and_no_values() {
    let (channel, mut told) = mirror().await;
    let mut client = HealthClient::new(routines_tonic::ClientLayer::new(&fleet()).layer(channel));
    request().scope(async { client.check(ask()).await.unwrap() }).await;
    let (id, _, tenant) = next(&mut told).await;
    assert_eq!((id.as_str(), tenant), ("req-7", None));
}

#[tokio::test]
async fn the_plain_layer_carries_the_same() {
    let (channel, mut told) = mirror().await;
    let mut client = HealthClient::new(ClientLayer::new(&fleet()).host("inventory").layer(channel));
    request().scope(async { client.check(ask()).await.unwrap() }).await;
    assert_eq!(next(&mut told).await.2.as_deref(), Some("São Paulo"));
}
