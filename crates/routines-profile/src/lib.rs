//! Tells where CPU time and memory go by the values of your own keys: by route, by tenant.
//!
//! A key opts in with [`labelled`](routines::Local::labelled). What runs with a label is sampled with it, on whatever thread it runs:
//! [`profile()`] takes CPU profiles that `go tool pprof` reads with its labels, [`router`] serves them where Go's tools look for them,
//! [`heap`] tells live memory apart, and [`publish`] shows the labels to profilers outside the process. Linux, on x86-64 and aarch64
//! (the latter compiled and not run); elsewhere CPU profiles and publishing are errors that say so.
//!
//! ```
//! # #[cfg(target_os = "linux")] {
//! use std::time::{Duration, Instant};
//!
//! use routines::Local;
//!
//! static TENANT: Local<&str> = Local::new().named("tenant").labelled();
//!
//! routines_profile::install()?;                              // first in main
//! let work = routines::thread::spawn(|| {
//!     TENANT.sync_scope("acme", || {
//!         let begin = Instant::now();
//!         while begin.elapsed() < Duration::from_millis(400) {}
//!     });
//! });
//! let profile = routines_profile::profile(Duration::from_millis(300))?;
//! work.join().unwrap();
//! assert!(profile.to_folded().contains("acme"));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | part | cost |
//! |---|---|
//! | [`install`] | building a record at each change of a label, storing its address at each switch between different ones |
//! | CPU profile | a signal a sample: some microseconds, 99 times per second of CPU time |
//! | [`heap`] | sampled: 1.5 ns more per block; exact: some 20 ns more per block |
//!
//! All that is `unsafe` is in `sys`, one file a concern, each block under a named invariant.

pub mod heap;
mod install;
mod pprof;
mod profile;
pub mod publish;
pub mod record;
pub mod sampler;
#[cfg(feature = "axum")]
mod service;
mod sys;

pub use install::{InstallError, install};
pub use profile::{Call, Frame, Mapping, Profile, ProfileBuilder, Sample, profile, routine_profile};
#[cfg(feature = "axum")]
pub use service::{Options, router};

/// The pages of the tools, whose snippets are tests.
#[cfg(all(doctest, feature = "axum"))]
mod tool_pages {
    #[doc = include_str!("../../../docs/profiles.md")]
    mod profiles {}
    #[doc = include_str!("../../../docs/looking-inside.md")]
    mod looking_inside {}
}
