//! Owns the request id: takes it from the header, binds it for all that the request causes, and sends it back.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use routines::Local;

use crate::mode;

/// The header a request is named by.
pub(crate) const HEADER: &str = "x-request-id";

/// The id of the request that is being worked for; shown on every line as `request_id`.
static REQUEST_ID: Local<String> = Local::new().named("request_id");

/// The middleware.
pub(super) async fn bind(request: Request, next: Next) -> Response {
    let header = request.headers().get(HEADER).cloned().unwrap_or_else(fresh);
    let id = String::from_utf8_lossy(header.as_bytes()).into_owned();
    let name = format!("{} {}", request.method(), request.uri().path());
    let mut response = mode::scope(&REQUEST_ID, id, name, next.run(request)).await;
    response.headers_mut().insert(HEADER, header);
    response
}

/// An id for a request that came without one.
fn fresh() -> HeaderValue {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    HeaderValue::try_from(format!("local-{number}")).expect("letters, digits and a dash make a header value")
}
