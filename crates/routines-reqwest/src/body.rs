//! Owns the end of a response's body whose reader is cancelled.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::{Response, ResponseBuilderExt};
use routines_cancel::Cancelled;

/// The same response, whose body fails as soon as that resolves.
pub(crate) fn ends_with(cancelled: Cancelled, response: Response) -> Response {
    let url = http::Response::builder().url(response.url().clone()).body(());
    let (mut parts, body) = http::Response::from(response).into_parts();
    if let Ok(url) = url {
        parts.extensions.extend(url.into_parts().0.extensions);
    }
    let body = Ending { body: Some(body), cancelled };
    Response::from(http::Response::from_parts(parts, reqwest::Body::wrap(body)))
}

struct Ending {
    body: Option<reqwest::Body>,
    cancelled: Cancelled,
}

type BoxError = Box<dyn Error + Send + Sync>;

impl Body for Ending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if let Poll::Ready(cause) = Pin::new(&mut this.cancelled).poll(cx) {
            // Closes the connection or stream: the server is told.
            this.body = None;
            return Poll::Ready(Some(Err(cause.into())));
        }
        Pin::new(body).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
