//! Owns the middleware: each attempt of a call carries what its routine carries, and ends with it.

use std::error::Error as StdError;
use std::fmt;
use std::iter::successors;

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use routines_cancel::{Cause, cancelled, until_cancelled};
use routines_http::Propagation;

use crate::body::ends_with;
use crate::prepare;

/// Makes each request carry what the routine carries that sends it, and ends it when that is cancelled or out of time: while it is sent,
/// while the answer is awaited, and while its body is read.
///
/// The error is a [`Cause`], which [`cause`] finds. See [the crate](crate) for where to put it among others. Costs the headers, and three
/// allocations a response for the end of its body.
///
/// ```
/// use std::time::Duration;
/// use reqwest_middleware::ClientBuilder;
/// use routines_cancel::{Cause, with_timeout};
/// use routines_http::Propagation;
/// use routines_reqwest::{PropagationMiddleware, cause};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let client = ClientBuilder::new(reqwest::Client::new()).with(PropagationMiddleware::new(&Propagation::new())).build();
/// let late = with_timeout(Duration::ZERO).scope(async { client.get("http://127.0.0.1:1/").send().await });
/// assert!(matches!(cause(&late.await.unwrap_err()), Some(Cause::DeadlineExceeded)), "it was not sent");
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PropagationMiddleware {
    propagation: Propagation,
}

impl PropagationMiddleware {
    /// A middleware that sends on what this propagation agrees to.
    pub fn new(propagation: &Propagation) -> Self {
        PropagationMiddleware { propagation: propagation.clone() }
    }
}

#[async_trait::async_trait]
impl Middleware for PropagationMiddleware {
    async fn handle(&self, mut request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        prepare(&self.propagation, &mut request).map_err(given_up)?;
        let call = until_cancelled(next.run(request, extensions));
        let response = call.await.map_err(given_up)??;
        Ok(ends_with(cancelled(), response))
    }
}

/// The cause is its source and not itself: other middlewares put errors around it that show their content as themselves, and so hide
/// its type, but not where it comes from.
#[derive(Debug)]
struct GivenUp(Cause);

fn given_up(cause: Cause) -> Error {
    Error::middleware(GivenUp(cause))
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("the call was given up")
    }
}

impl StdError for GivenUp {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

/// The cause of a cancellation, if that is what this error tells: of a call, or of reading a response's body.
///
/// Looks through whatever was put around it, as by a middleware that retries.
pub fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Cause> {
    let mut chain = successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source());
    chain.find_map(|error| error.downcast_ref())
}
