//! Makes other libraries' ambient state travel with routines: `tracing` spans and subscribers, OpenTelemetry contexts,
//! fastrace's local parent.
//!
//! A span is lost at every spawn, unless each of them is wrapped by hand. One call in `main` mends that for the whole
//! program, in code that was never told:
//!
//! ```
//! # #[cfg(feature = "tracing")] {
//! routines_companions::install();
//!
//! let worker = tracing::info_span!("request", id = 7).in_scope(|| {
//!     routines::thread::spawn(|| tracing::info!("in the request's span"))
//! });
//! # worker.join().unwrap();
//! # }
//! ```
//!
//! What carries is what carries the context of `routines`: `routines_tokio::spawn` and its sisters, `routines::thread`,
//! `bind`, `.inherit()`, scopes; and plain `tokio::spawn` on a runtime set up with `routines_tokio::Flow`, which asks for
//! companions when it is installed: call [`install`] before. Detached work carries nothing. [`routines::companion`] has the
//! whole table, and the trait, for other libraries.
//!
//! | feature | carries | through |
//! |---|---|---|
//! | `tracing` | the current span, and the subscriber if it is a thread's own (`with_default`) | `tracing::Tracing` |
//! | `opentelemetry` | the current `Context` | `opentelemetry::OpenTelemetry` |
//! | `fastrace` | the local parent | `fastrace::Fastrace` |
//!
//! No feature is on by default.
//!
//! # What it does not do
//!
//! - A routine whose parent had nothing current runs with whatever its thread has: with `block_on` inside an entered span, that
//!   span, on a single-threaded runtime.
//! - A routine holds what it carries until it ends. A span stays open as long as the longest task that was spawned in it:
//!   spawn what outlives the request - pools, connection drivers, caches - detached.
//! - Guards of these libraries that are held across an `.await` mix as they always did.

#[cfg(feature = "fastrace")]
pub mod fastrace;
#[cfg(feature = "opentelemetry")]
pub mod opentelemetry;
#[cfg(feature = "tracing")]
pub mod tracing;

/// Registers the companions of all libraries whose features are on, for the rest of the process.
///
/// Work started from now on carries their state. Later calls do nothing; returns whether this was the first. To choose
/// among them, or their order, give them to [`routines::companion::register`] instead.
pub fn install() -> bool {
    static INSTALLED: std::sync::Once = std::sync::Once::new();
    let mut first = false;
    INSTALLED.call_once(|| {
        first = true;
        #[cfg(feature = "tracing")]
        routines::companion::register(tracing::Tracing);
        #[cfg(feature = "opentelemetry")]
        routines::companion::register(opentelemetry::OpenTelemetry);
        #[cfg(feature = "fastrace")]
        routines::companion::register(fastrace::Fastrace);
    });
    first
}
