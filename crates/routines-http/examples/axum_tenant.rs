//! A tenant that comes with a request, and is known wherever that leads: in functions, in tasks, in the next service.
//!
//! ```sh
//! cargo run -p routines-http --example axum_tenant
//! ```

use std::error::Error;

use axum::body::Body;
use axum::http::Request;
use axum::{Router, routing::get};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use routines_http::{ClientLayer, Propagated, Propagation, REQUEST_ID, ServerLayer};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};

/// Comes and goes in the `baggage` header, and is on every log line.
static TENANT: Propagated<String> = Propagated::baggage("tenant");

type AnyError = Box<dyn Error + Send + Sync>;

/// What all services of this fleet agree on.
fn fleet() -> Propagation {
    Propagation::new().key(&TENANT).baggage_to(["127.0.0.1", "*.internal"])
}

/// Deep in the stock service. Nobody handed it a tenant, or an id.
fn shelf() -> String {
    let tenant = TENANT.get().unwrap_or_else(|| "nobody".into());
    let id = REQUEST_ID.get().map_or_else(String::new, |id| id.to_string());
    format!("the shelf of {tenant}, asked for by {id}")
}

/// Asks another service. Whatever the current routine carries goes along.
async fn ask(address: &str) -> Result<String, AnyError> {
    let http = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let request = Request::get(format!("http://{address}/")).body(Body::empty())?;
    let response = ClientLayer::new(&fleet()).layer(http).oneshot(request).await?;
    let text = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(text.to_vec())?)
}

/// Serves on the loopback; gives back the address.
async fn serve(app: Router) -> Result<String, AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let app = app.layer(ServerLayer::new(&fleet()));
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(address)
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let stock = serve(Router::new().route("/", get(async || shelf()))).await?;
    let front = async move || {
        // A task of its own: it has the request's context all the same.
        let asked = routines_tokio::spawn(async move { ask(&stock).await });
        asked.await.expect("it does not panic").unwrap_or_else(|error| error.to_string())
    };
    let front = serve(Router::new().route("/", get(front))).await?;

    // A client in any language.
    let request = Request::get(format!("http://{front}/"))
        .header("x-request-id", "req-7")
        .header("baggage", "tenant=acme%20%26%20sons,undeclared=1")
        .body(Body::empty())?;
    let response = Client::builder(TokioExecutor::new()).build_http().request(request).await?;
    let text = response.into_body().collect().await?.to_bytes();

    println!("{}", String::from_utf8_lossy(&text));
    assert_eq!(text, "the shelf of acme & sons, asked for by req-7");
    Ok(())
}
