//! Owns bodies that end when the routine that reads them is cancelled.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use routines_cancel::Cancelled;

pin_project! {
    /// The body of a response that fails with the [`Cause`](routines_cancel::Cause), boxed, as soon as its routine is cancelled; the body
    /// inside is dropped then, which closes its connection or stream and so tells the server.
    ///
    /// Costs a place in the token's list once it has to wait for data.
    ///
    /// ```
    /// use http_body_util::{BodyExt, Full};
    /// use routines_cancel::Token;
    /// use routines_http::UntilCancelledBody;
    ///
    /// # futures_util::future::FutureExt::now_or_never(async {
    /// let token = Token::new();
    /// let body = UntilCancelledBody::new(token.cancelled(), Full::new(bytes::Bytes::from("rows")));
    /// token.cancel_with("no longer needed");
    /// assert_eq!(body.collect().await.unwrap_err().to_string(), "no longer needed");
    /// # }).unwrap();
    /// ```
    #[derive(Debug)]
    pub struct UntilCancelledBody<B> {
        #[pin]
        body: Option<B>,
        cancelled: Cancelled,
    }
}

impl<B> UntilCancelledBody<B> {
    /// Ends `body` as soon as that resolves.
    pub fn new(cancelled: Cancelled, body: B) -> Self {
        UntilCancelledBody { body: Some(body), cancelled }
    }
}

impl<B> Body for UntilCancelledBody<B>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = B::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(cause) = Pin::new(this.cancelled).poll(cx) {
            this.body.set(None);
            return Poll::Ready(Some(Err(cause.into())));
        }
        body.poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
