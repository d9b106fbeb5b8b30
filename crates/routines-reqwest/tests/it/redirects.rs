//! Where redirects lead values.

use http::{HeaderMap, StatusCode, Uri, header};
use reqwest_middleware::ClientBuilder;
use routines_reqwest::{PropagationMiddleware, redirects_to_the_same_host};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{TENANT, client, fleet, next, plain, serve, soon, url};

/// Sends everybody on from `/` to `/elsewhere` at that host; tells the baggage that comes to `/elsewhere`.
async fn pointing_to(host: &'static str) -> (std::net::SocketAddr, UnboundedReceiver<Option<String>>) {
    let (tell, told) = unbounded_channel();
    let server = serve(async move |uri: Uri, headers: HeaderMap| {
        if uri.path() == "/elsewhere" {
            tell.send(headers.get("baggage").map(|value| value.to_str().unwrap().to_owned())).unwrap();
            return (StatusCode::OK, [(header::LOCATION, String::new())]);
        }
        let port = headers["host"].to_str().unwrap().split_once(':').unwrap().1.to_owned();
        (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("http://{host}:{port}/elsewhere"))])
    })
    .await;
    (server, told)
}

#[tokio::test]
async fn a_redirect_to_another_host_is_given_to_the_caller() {
    let (server, mut told) = pointing_to("example.com").await;
    let call = async { client(server).get(url("stock.internal", server)).send().await.unwrap() };
    let response = soon(TENANT.scope("acme".into(), call)).await;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert!(told.try_recv().is_err(), "nothing arrived there");
}

#[tokio::test]
async fn a_redirect_within_the_host_is_followed() {
    let (server, mut told) = pointing_to("stock.internal").await;
    let call = async { client(server).get(url("stock.internal", server)).send().await.unwrap() };
    assert_eq!(soon(TENANT.scope("acme".into(), call)).await.status(), StatusCode::OK);
    assert_eq!(next(&mut told).await.as_deref(), Some("tenant=acme"));
}

#[tokio::test]
async fn a_redirect_that_never_ends_is_an_error() {
    let (tell, mut told) = unbounded_channel();
    let again = async move || {
        tell.send(()).unwrap();
        (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/again")])
    };
    let server = serve(again).await;
    let client = plain(server).redirect(redirects_to_the_same_host()).build().unwrap();
    assert!(soon(client.get(url("stock.internal", server)).send()).await.unwrap_err().is_redirect());
    let followed = std::iter::from_fn(|| told.try_recv().ok()).skip(1).count();
    assert_eq!(followed, 10, "as many as by default");
}

#[tokio::test]
async fn without_that_policy_reqwest_takes_values_to_hosts_that_may_not_have_them() {
    let (server, mut told) = pointing_to("example.com").await;
    let plain = plain(server).build().unwrap();
    let client = ClientBuilder::new(plain).with(PropagationMiddleware::new(&fleet())).build();
    let call = async { client.get(url("stock.internal", server)).send().await.unwrap() };
    soon(TENANT.scope("acme".into(), call)).await;
    assert_eq!(next(&mut told).await.as_deref(), Some("tenant=acme"), "should this change, the page can be shorter");
}
