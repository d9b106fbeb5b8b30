//! Owns the promises in a build with runtime hooks: what somebody else's plain spawns get of a request.

use axum::routing::get;
use axum::{Extension, Router};
use routines_http::{REQUEST_ID, ServerLayer};
use routines_tokio::Flow;
use tokio::sync::mpsc::UnboundedSender;

use crate::support::{Raw, TENANT, Told, fleet, serve};

#[test]
fn plain_spawns_of_a_handler_carry_its_request_and_are_told_when_the_client_leaves() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = Flow::new().install(builder.worker_threads(2).enable_all()).build().unwrap();
    runtime.block_on(async {
        let hang = get(async |Extension(tell): Extension<UnboundedSender<String>>| {
            tokio::spawn(async move {
                tell.send(format!("started {:?}", TENANT.get())).unwrap();
                let cause = tokio::spawn(async { routines_cancel::cancelled().await }).await.unwrap();
                tell.send(format!("{cause} id={}", REQUEST_ID.get().unwrap())).unwrap();
            });
            std::future::pending::<()>().await;
        });
        let mut told = Told::new();
        let app = Router::new().route("/", hang).layer(ServerLayer::new(&fleet())).layer(Extension(told.0.clone()));
        let mut client = Raw::open(serve(app).await).await;
        client.send("GET / HTTP/1.1\nhost: x\nx-request-id: req-7\nbaggage: tenant=acme\n\n").await;
        assert_eq!(told.next().await, r#"started Some("acme")"#);
        drop(client);
        assert_eq!(told.next().await, "the client went away id=req-7");
    });
}
