//! Looks inside a running process: the live page of all routines, the leak check for tests, the panic report.
#[cfg(feature = "axum")]
pub mod guard;
pub mod held;
pub mod leak;
pub mod page;
pub mod panic;
#[cfg(feature = "axum")]
mod service;

#[cfg(feature = "axum")]
pub use service::{Options, router, serve};

/// The pages of the tools, whose snippets are tests.
#[cfg(doctest)]
mod tool_pages {
    #[doc = include_str!("../../../docs/leak-checks.md")]
    mod leak_checks {}
    #[doc = include_str!("../../../docs/panic-report.md")]
    mod panic_report {}
}
