//! A request's context across processes: ids, trace, baggage and the time left arrive with a request, are ambient in everything it
//! does, and leave with every call it makes.
//!
//! ```
//! use axum::{Router, routing::get};
//! use routines_http::{ClientLayer, Propagated, Propagation, REQUEST_ID, ServerLayer};
//!
//! // Goes along with requests; on every log line.
//! static TENANT: Propagated<String> = Propagated::baggage("tenant");
//!
//! // Once, in `main`:
//! let fleet = Propagation::new().key(&TENANT).baggage_to(["*.internal"]);
//! let app: Router = Router::new()
//!     .route("/", get(async || format!("{:?} asks as {:?}", TENANT.get(), REQUEST_ID.get())))
//!     .layer(ServerLayer::new(&fleet));
//! let outgoing = ClientLayer::new(&fleet);
//! # let _ = (app, outgoing);
//! ```
//!
//! # Where to look
//!
//! | to | use |
//! |---|---|
//! | declare what travels | [`Propagated`], then [`Propagation`] |
//! | serve | `ServerLayer`, with `FinishLayer` on routes that write and `DeadlineLayer` where late answers are to be cut short |
//! | call | `ClientLayer`; the crates `routines-reqwest` and `routines-tonic` |
//! | send and consume messages, start child processes | [`Propagation::inject`], [`Propagation::extract_message`] with a [`carrier`] |
//! | read and write the formats by hand | [`TraceContext`], [`TraceState`], [`Baggage`], [`RequestId`], [`timeout`] |
//! | convert to OpenTelemetry's types | the crate `routines-opentelemetry` |
//!
//! # What is promised
//!
//! - Nothing leaves the process but what is declared [`Propagated`] and listed, and that only to listed hosts; nothing enters that is
//!   not. Ids, trace and deadline always travel.
//! - A malformed, oversized or hostile header is ignored and [counted](Propagation::ignored). It is never an error to the caller.
//! - Values survive every peer: all that any of them misreads is percent-encoded.
//! - A deadline is sent as the time left at that moment, and is never longer than what came.

pub mod baggage;
pub mod carrier;
#[cfg(feature = "tower")]
mod client;
#[cfg(feature = "tower")]
mod deadline;
mod destination;
mod extract;
#[cfg(all(feature = "tower", feature = "tokio"))]
mod finish;
mod headers;
mod ignored;
mod incoming;
mod inject;
mod key;
mod propagation;
pub mod request_id;
#[cfg(feature = "tower")]
mod server;
pub mod timeout;
pub mod trace;
pub mod trace_state;
#[cfg(feature = "tower")]
mod until_cancelled_body;

pub use baggage::Baggage;
#[cfg(feature = "tower")]
pub use client::{CallFuture, Client, ClientLayer};
#[cfg(feature = "tower")]
pub use deadline::{Deadline, DeadlineFuture, DeadlineLayer};
pub use destination::Destination;
#[cfg(all(feature = "tower", feature = "tokio"))]
pub use finish::{Finish, FinishFuture, FinishLayer};
pub use ignored::Ignored;
pub use incoming::Incoming;
pub use key::Propagated;
pub use propagation::{CALLER_TRACE, KeyError, Propagation, REQUEST_ID, TRACE};
pub use request_id::RequestId;
#[cfg(feature = "tower")]
pub use server::{Caller, ResponseBody, ResponseFuture, Server, ServerLayer, Trust, let_client_leave};
pub use trace::{SpanId, TraceContext, TraceFlags, TraceId};
pub use trace_state::TraceState;
#[cfg(feature = "tower")]
pub use until_cancelled_body::UntilCancelledBody;
