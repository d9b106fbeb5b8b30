//! Owns the word of each thread that points at its current record: the one `unsafe` place where records are read.
//!
//! Invariants, named where they are used:
//! - **ALIVE**: between two calls of [`switch`] on a thread, what the first was given stays alive and unchanged: the core's promise
//!   to its reader of labels. Readers run on that thread, a signal handler included, so there is no other moment they could see.
//! - **LAID OUT**: a record given to [`switch`] was built by `record::Writer`: the core hands back what our reader made.

use std::cell::Cell;
use std::ptr;
#[cfg(any(feature = "otel-thread-ctx", feature = "custom-labels"))]
use std::sync::atomic::AtomicU8;
use std::sync::atomic::{Ordering, compiler_fence};

use routines::label::Record;

use crate::record::{ATTRS_AT, FRONT};
#[cfg(any(feature = "otel-thread-ctx", feature = "custom-labels"))]
use crate::sys::symbol;

thread_local! {
    // Const and without a destructor: one load relative to the thread pointer, at any moment of a thread's life.
    static CURRENT: Cell<*const u64> = const { Cell::new(ptr::null()) };
}

/// Which symbols are published: bits of [`OTEL`] and [`CUSTOM`]. Only ever set; a thread follows at its next switch.
#[cfg(any(feature = "otel-thread-ctx", feature = "custom-labels"))]
static PUBLISHED: AtomicU8 = AtomicU8::new(0);
#[cfg(feature = "otel-thread-ctx")]
pub(crate) const OTEL: u8 = 1;
#[cfg(feature = "custom-labels")]
pub(crate) const CUSTOM: u8 = 2;

/// The record current on this thread, from its account word on; null: none.
#[inline]
pub(crate) fn current() -> *const u64 {
    CURRENT.with(Cell::get)
}

/// `record` is now current on this thread; `None`: no labels are.
#[inline]
pub(crate) fn switch(record: Option<&Record>) {
    let record = record.map_or(ptr::null(), |record| record.as_ptr().wrapping_add(FRONT));
    // A handler that interrupts this thread sees the record complete, and after the return no more the former one: that may be freed.
    compiler_fence(Ordering::SeqCst);
    CURRENT.set(record);
    #[cfg(any(feature = "otel-thread-ctx", feature = "custom-labels"))]
    show(record, PUBLISHED.load(Ordering::Relaxed));
    compiler_fence(Ordering::SeqCst);
}

/// Publishes by these symbols from now on, first what is current on this thread.
#[cfg(any(feature = "otel-thread-ctx", feature = "custom-labels"))]
pub(crate) fn publish(symbols: u8) {
    PUBLISHED.fetch_or(symbols, Ordering::Relaxed);
    show(current(), symbols);
}

#[cfg(any(feature = "otel-thread-ctx", feature = "custom-labels"))]
#[inline]
fn show(record: *const u64, symbols: u8) {
    let at = |word: *const u64| if record.is_null() { ptr::null() } else { word.cast() };
    #[cfg(feature = "otel-thread-ctx")]
    if symbols & OTEL != 0 {
        symbol::otel::set(at(record.wrapping_add(1)));
    }
    #[cfg(feature = "custom-labels")]
    if symbols & CUSTOM != 0 {
        symbol::custom::set(at(record.wrapping_sub(FRONT)));
    }
}

/// Calls `read` with the account and the attributes of the record current on this thread; `None`: there is none.
///
/// Async-signal-safe if `read` is. `read` must not change the context.
#[inline]
pub(crate) fn with_current<R>(read: impl FnOnce(u32, &[u8]) -> R) -> Option<R> {
    let record = current();
    if record.is_null() {
        return None;
    }
    // SAFETY: LAID OUT and ALIVE: the account word is there.
    let word = unsafe { record.read() };
    let (account, len) = halves(word);
    // SAFETY: LAID OUT: that many bytes of attributes follow from there on; ALIVE: as long as `read` runs.
    let attrs = unsafe { std::slice::from_raw_parts(record.cast::<u8>().wrapping_add(ATTRS_AT), len as usize) };
    Some(read(account, attrs))
}

/// The first and the second four bytes.
fn halves(word: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    (u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]))
}
