//! Owns what a request's work is accounted to: its tenant and its route, the labels of profiles.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use routines::{Bindings, Local};

/// The header a tenant is named by.
pub(crate) const HEADER: &str = "x-tenant";

/// For whom the request is; shown on every line and on the live page, and split by in profiles.
static TENANT: Local<String> = Local::new().named("tenant").labelled();
/// What is asked for, as method and path.
static ROUTE: Local<String> = Local::new().named("route").labelled();

/// The middleware, for routes only: what a stranger's path says is no label.
pub(super) async fn bind(request: Request, next: Next) -> Response {
    let tenant = request.headers().get(HEADER).map_or("none".into(), |name| String::from_utf8_lossy(name.as_bytes()));
    let who = Bindings::new()
        .with(&TENANT, tenant.into_owned())
        .with(&ROUTE, format!("{} {}", request.method(), request.uri().path()));
    who.scope(next.run(request)).await
}
