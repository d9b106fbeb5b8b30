//! A gRPC call's context with `tonic`: ids, trace, values and the time left travel in its metadata, and a cancellation is a status.
//!
//! ```
//! use routines_http::{Propagation, ServerLayer};
//! use routines_tonic::ClientLayer;
//! use tonic::transport::{Channel, Server};
//! use tower::Layer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let fleet = Propagation::new().baggage_to(["inventory"]);
//! // Services are added to it as ever.
//! let server = Server::builder().layer(ServerLayer::new(&fleet));
//! // The client that was generated takes this in place of a channel.
//! let channel = ClientLayer::new(&fleet).host("inventory").layer(Channel::from_static("http://inventory:50051").connect_lazy());
//! # drop((server, channel));
//! # }
//! ```
//!
//! # Deadlines
//!
//! `tonic` ends a call whose `grpc-timeout` is over, at either side, and tells nobody: what the handler calls in turn has all the time in
//! the world. With [`ServerLayer`](routines_http::ServerLayer) the time is the routine's deadline, and [`ClientLayer`] sends on what is
//! left of it. A call's own [`set_timeout`](tonic::Request::set_timeout) counts if it is earlier; an
//! [`Endpoint::timeout`](https://docs.rs/tonic/latest/tonic/transport/struct.Endpoint.html#method.timeout) is not told to the server.
//!
//! When it is over:
//!
//! | who notices | the caller's status |
//! |---|---|
//! | [`ClientLayer`], also before sending and between messages of a stream | `DEADLINE_EXCEEDED` |
//! | the server: [`DeadlineLayer`](routines_http::DeadlineLayer), or a handler that returns [`status`] | `DEADLINE_EXCEEDED` |
//! | the server: `tonic` itself | `CANCELLED`, "Timeout expired"; [`cause`] takes it for what it is |
//!
//! The caller's clock is the earlier one by the way of the call. What a handler has started is told `DeadlineExceeded` or, if the caller
//! left first, `Disconnected`. A server's own `Server::timeout` is not known to the layer; give it to
//! [`Propagation::default_timeout`](routines_http::Propagation::default_timeout) and
//! [`max_timeout`](routines_http::Propagation::max_timeout) instead.
//!
//! # By hand
//!
//! [`MetadataExtractor`] and [`MetadataInjector`] are carriers, for interceptors and whatever else has metadata but no request.

mod client;
mod metadata;
mod status;

pub use client::{CallFuture, Client, ClientLayer, ResponseBody};
pub use metadata::{MetadataExtractor, MetadataInjector};
pub use status::{cause, status};
