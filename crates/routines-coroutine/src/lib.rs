//! Stackful coroutines that keep the context of the code that starts them.
//!
//! - [`Coroutine`], for the crate `corosensei`: its resumer drives it. The context is exchanged at each resume and yield.
//! - the module `may` (feature `may`), for the crate of that name: a scheduler drives it, on any of its threads. The context is found by the coroutine's
//!   own local storage.
//!
//! Each coroutine is a routine, from the moment it is made until it ends or is dropped. Scopes and values that are open when
//! it yields stay open in it, and nowhere else.

#[cfg(feature = "corosensei")]
mod coroutine;
#[cfg(feature = "may")]
pub mod may;

#[cfg(feature = "corosensei")]
pub use coroutine::Coroutine;
