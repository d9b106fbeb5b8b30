//! Owns the calls to the operating system and everything `unsafe`: one file a concern, each with its named invariants.
#![allow(unsafe_code)]
pub(crate) mod alloc;
#[cfg(all(target_os = "linux", feature = "otel-thread-ctx"))]
pub(crate) mod process;
#[cfg(all(target_os = "linux", target_pointer_width = "64", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod signal;
pub(crate) mod slot;
#[cfg(all(target_os = "linux", target_pointer_width = "64", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod stack;
#[cfg(any(feature = "otel-thread-ctx", feature = "custom-labels"))]
pub(crate) mod symbol;
