//! CPU and heap profiles split by the named values of routines.
pub mod heap;
pub mod publish;
mod pprof;
mod profile;
pub mod record;
pub mod sampler;
#[cfg(feature = "axum")]
mod service;
mod install;
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
}
