//! Sends what a routine carries along with the calls it makes by `reqwest`: request id, trace, values and the time left.
//!
//! A call whose time is up, or whose routine is cancelled, fails before it is sent; one that is under way then is dropped, which closes its
//! connection or stream and so tells the server.
//!
//! ```
//! use reqwest_middleware::ClientBuilder;
//! use routines_http::Propagation;
//! use routines_reqwest::{PropagationMiddleware, redirects_to_the_same_host};
//!
//! # fn client() -> Result<(), Box<dyn std::error::Error>> {
//! let fleet = Propagation::new().baggage_to(["*.internal"]);
//! let plain = reqwest::Client::builder().redirect(redirects_to_the_same_host()).build()?;
//! let client = ClientBuilder::new(plain).with(PropagationMiddleware::new(&fleet)).build();
//! # drop(client);
//! # Ok(())
//! # }
//! # client().unwrap();
//! ```
//!
//! Without `reqwest-middleware`, [`prepare`] each request:
//!
//! ```
//! # async fn send(fleet: routines_http::Propagation, client: reqwest::Client, mut request: reqwest::Request) -> Result<(), Box<dyn std::error::Error>> {
//! routines_reqwest::prepare(&fleet, &mut request)?;
//! let response = routines_cancel::until_cancelled(client.execute(request)).await??;
//! # drop(response);
//! # Ok(())
//! # }
//! ```
//!
//! # Retries
//!
//! Middlewares run in the order they are added. Added after the one that retries, this one prepares each attempt anew, with the time
//! left then, and refuses the attempt there is no time for; its refusal is not retried. Added before, all attempts would say what was left
//! at the first.
//!
//! The pause between two attempts belongs to the one that retries, which does not know of deadlines. To end that too, add another
//! `PropagationMiddleware` before it: that ends whatever runs inside it.
//!
//! # Redirects
//!
//! `reqwest` follows redirects below every middleware, and takes along all headers but those with credentials: a host that may
//! receive values could hand them to one that may not. [`redirects_to_the_same_host`] keeps it from that.

mod body;
mod middleware;
mod redirect;

use reqwest::Request;
use routines_cancel::{Cause, with_timeout};
use routines_http::{Destination, Propagation};

pub use middleware::{PropagationMiddleware, cause};
pub use redirect::redirects_to_the_same_host;

/// Writes what the current routine carries into a request, as far as its host may have it.
///
/// Headers of the same names are replaced, but for an earlier deadline. A [timeout](reqwest::RequestBuilder::timeout) of the request is told to the server, if it is
/// earlier than the routine's deadline; one of the whole client is not known here. Call it as late as possible: the time left is what is
/// left now.
///
/// # Errors
///
/// If the routine is cancelled or has no time left: the request should not be sent. Nothing was written then.
///
/// ```
/// use reqwest::{Method, Request};
/// use routines_http::{Propagation, REQUEST_ID, RequestId};
///
/// let mut request = Request::new(Method::GET, "http://stock.internal/".parse().unwrap());
/// REQUEST_ID.sync_scope(RequestId::parse("req-7").unwrap(), || {
///     routines_reqwest::prepare(&Propagation::new(), &mut request)
/// })?;
/// assert_eq!(request.headers()["x-request-id"], "req-7");
/// # Ok::<(), routines_cancel::Cause>(())
/// ```
pub fn prepare(propagation: &Propagation, request: &mut Request) -> Result<(), Cause> {
    let to = request.url().host_str().map_or_else(Destination::unknown, Destination::host);
    match request.timeout().copied() {
        None => propagation.inject_headers(request.headers_mut(), &to),
        Some(timeout) => with_timeout(timeout).sync_scope(|| propagation.inject_headers(request.headers_mut(), &to)),
    }
}

/// The page whose snippets are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/across-processes.md")]
mod across_processes {}
