//! Puts the named values of the current routine on every `tracing` and `log` line.
//!
//! Bind a named [`Local`](routines::Local) where the work begins; every line logged below carries it, on whatever thread
//! or task the work has moved to by then. Nothing is passed along, no span has to be open, and no filter can drop it.
//!
//! ```
//! # #[cfg(feature = "tracing")] {
//! use routines::Local;
//! use routines_log::tracing::WithContext;
//!
//! static REQUEST_ID: Local<String> = Local::new().named("request_id");
//! static TENANT: Local<u32> = Local::new().named("tenant");
//!
//! tracing_subscriber::fmt().json().map_event_format(WithContext::new).init();
//!
//! REQUEST_ID.sync_scope("req-7".into(), || TENANT.sync_scope(4, || tracing::info!("loading")));
//! // {"timestamp":"…","level":"INFO","fields":{"message":"loading"},"target":"shop","request_id":"req-7","tenant":4}
//! # }
//! ```
//!
//! Without `.json()` the same line reads `request_id="req-7" tenant=4 2026-…Z  INFO shop: loading`.
//!
//! # Where to look
//!
//! | to wrap | use |
//! |---|---|
//! | an event formatter of `tracing-subscriber`: full, compact, pretty, JSON, or your own | `tracing::WithContext` |
//! | a logger of the `log` crate | `log::WithContext` |
//!
//! # What is promised
//!
//! - Only named keys are shown: naming a key is the opt-in.
//! - **What the call site says wins.** If the line has a field of the same name, the ambient value is left out. Of two
//!   keys that share one name, the one used first in this process is shown.
//! - **A value cannot forge a line.** Line breaks, control characters (C0, DEL, C1), U+2028 and U+2029 and the marks that
//!   reorder text are escaped wherever a value comes from. Every JSON line parses, and gives back the exact string.
//! - **Logging is safe anywhere**: in a panic hook, in a `Drop`, in a thread-local's destructor (where the values may be gone already),
//!   in a value's own `Debug`. No lock is held and nothing is borrowed while a value is formatted. A line that is logged
//!   *by* a value's `Debug` or `Display` leaves out the values that would run such code again. A value whose `Debug`
//!   panics or fails is shown as `<unprintable>`, and the line survives; in a panic hook such a panic aborts the process,
//!   as any panic there does.
//! - Values are read and formatted on the thread that logs, before the line is handed on, so asynchronous sinks are right too.
//!
//! # Cost
//!
//! With nothing bound: one look at the current context. Otherwise one visit of the named values per line that passed the
//! filters, a copy of each, and for JSON a copy of the line. Nothing is parsed.
//!
//! # What it does not do
//!
//! - It does not add fields to spans or for other `tracing` layers (an OpenTelemetry exporter, say): a layer cannot add to
//!   an event. It is the formatter that is wrapped.
//! - Key-values of a `log` record do not survive `tracing-log`'s bridge, which drops them before a formatter could see
//!   them; the ambient values are put on such lines by the formatter.

#[cfg(any(feature = "tracing", feature = "log"))]
mod escape;
#[cfg(feature = "log")]
pub mod log;
#[cfg(any(feature = "tracing", feature = "log"))]
mod pairs;
#[cfg(feature = "tracing")]
pub mod tracing;
