//! Owns the end of a response's body whose reader is cancelled.

use reqwest::{Response, ResponseBuilderExt};
use routines_cancel::Cancelled;
use routines_http::UntilCancelledBody;

/// The same response, whose body fails as soon as that resolves.
pub(crate) fn ends_with(cancelled: Cancelled, response: Response) -> Response {
    let url = http::Response::builder().url(response.url().clone()).body(());
    let (mut parts, body) = http::Response::from(response).into_parts();
    if let Ok(url) = url {
        parts.extensions.extend(url.into_parts().0.extensions);
    }
    let body = reqwest::Body::wrap(UntilCancelledBody::new(cancelled, body));
    Response::from(http::Response::from_parts(parts, body))
}
