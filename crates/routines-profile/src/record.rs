//! Owns the record of a context's labels: how it is built, laid out and decoded.
//!
//! A record is immutable words, shared by all contexts with the same bindings. [`current`] is the address of the one whose labels
//! are current on this thread:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | the account heap bytes are charged to; 0: none |
//! | 4..8 | length of the attributes |
//! | 8..36 | head of an OTEP 4947 record: trace id, span id, valid, trace flags, length of the attributes as `u16` |
//! | 36.. | the attributes: key index `u8`, length `u8`, that many bytes of text, and so on |
//!
//! What does not fit is dropped by rule: a value is cut at [`MAX_VALUE`] bytes on a character's border; labels after the
//! [`MAX_LABELS`]th, labels that would take the attributes over [`MAX_ATTRS`] bytes, and labels of keys after the [`MAX_KEYS`]th are
//! left out whole. Readers outside the process have limits of the same size.
//!
//! Labels named `trace_id` (32 hex digits), `span_id` (16) and `trace_flags` (2) also fill the head.

mod keys;
mod writer;

use std::str;
use std::sync::OnceLock;

use routines::Shown;
use routines::label::{Labels, Reader, Record};

pub use keys::{MAX_KEYS, key_name, key_names};
pub use writer::{MAX_ATTRS, MAX_LABELS, MAX_VALUE};

use crate::sys::slot;
use writer::Writer;

#[cfg(all(target_os = "linux", any(feature = "otel-thread-ctx", feature = "custom-labels")))]
pub(crate) use keys::lock;
#[cfg(all(target_os = "linux", feature = "otel-thread-ctx"))]
pub(crate) use keys::{Appending, on_append};

/// Where the attributes start, in bytes from the account word.
pub(crate) const ATTRS_AT: usize = 36;

/// The words in front of the account word: the label set of the custom-labels ABI, at the place its slot points to.
pub(crate) const FRONT: usize = if cfg!(feature = "custom-labels") { 3 } else { 0 };

static ACCOUNTS: OnceLock<fn(&[u8]) -> u32> = OnceLock::new();

/// Installs what records are built and read by; `false` if somebody else's reader of labels is installed.
pub(crate) fn install() -> bool {
    static OURS: OnceLock<bool> = OnceLock::new();
    *OURS.get_or_init(|| routines::label::install(Reader { record, switch: slot::switch }))
}

/// Has records built from now on name the account that `of` tells from their attributes; `false` if that was said before.
///
/// `of` runs while a context is being changed: it must not use locals, nor panic.
pub(crate) fn charge(of: fn(&[u8]) -> u32) -> bool {
    ACCOUNTS.set(of).is_ok()
}

fn record(labels: &Labels<'_>) -> Record {
    let mut writer = Writer::new();
    labels.for_each(|name, value| writer.push(name, value));
    let words = writer.finish(ACCOUNTS.get().copied());
    #[cfg(feature = "custom-labels")]
    return Record::placed(words, writer::point);
    #[cfg(not(feature = "custom-labels"))]
    Record::from(words)
}

/// The record of `labels`, by the layout of this module, from its account word on.
///
/// ```
/// use routines::Shown;
/// use routines_profile::record;
///
/// let record = record::build(&[("tenant", Shown::Str("acme")), ("shard", Shown::U64(7))]);
/// let attrs = record::attrs_of(&record);
/// assert!(record::attrs(attrs).eq([("tenant", "acme"), ("shard", "7")]));
/// ```
pub fn build(labels: &[(&'static str, Shown<'_>)]) -> Box<[u64]> {
    let mut writer = Writer::new();
    labels.iter().for_each(|(name, value)| writer.push(name, *value));
    let words = &writer.finish(ACCOUNTS.get().copied())[FRONT..];
    Box::from(&words[..(ATTRS_AT + attrs_of(words).len()).div_ceil(8)])
}

/// The attributes within a record as [`build`] makes it; empty for words that are none.
pub fn attrs_of(record: &[u64]) -> &[u8] {
    let bytes: &[u8] = bytemuck::cast_slice(record);
    let Some(Ok(len)) = bytes.get(4..8).map(<[u8; 4]>::try_from) else { return &[] };
    bytes.get(ATTRS_AT..ATTRS_AT + u32::from_ne_bytes(len) as usize).unwrap_or(&[])
}

/// The labels in a record's attributes, in the order they were written.
///
/// An attribute of an unknown key is skipped, and reading ends at the first that is incomplete.
pub fn attrs(mut attrs: &[u8]) -> impl Iterator<Item = (&'static str, &str)> {
    std::iter::from_fn(move || {
        let (&[key, len], rest) = attrs.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(len.into())?;
        attrs = rest;
        Some((key_name(key), str::from_utf8(value)))
    })
    .filter_map(|(name, value)| Some((name?, value.ok()?)))
}

/// The record current on this thread, from its account word on; null: no labels.
///
/// Safe to call in a signal handler and in an allocator: one load, also on a thread that is starting or ending. What is there stays
/// as it is until this thread changes its context; a signal handler of the same thread can read it, another thread cannot.
#[inline]
pub fn current() -> *const u64 {
    slot::current()
}

/// Copies the attributes current on this thread, as far as they fit; how many bytes they are.
///
/// Safe to call in a signal handler and in an allocator.
#[inline]
pub fn copy_attrs(into: &mut [u8]) -> usize {
    slot::with_current(|_account, attrs| {
        let len = attrs.len().min(into.len());
        into[..len].copy_from_slice(&attrs[..len]);
        len
    })
    .unwrap_or(0)
}

/// The account of the record current on this thread; 0: none.
///
/// Safe to call in a signal handler and in an allocator.
#[inline]
pub fn account() -> u32 {
    slot::with_current(|account, _attrs| account).unwrap_or(0)
}
