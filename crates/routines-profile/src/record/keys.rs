//! Owns the table of keys: an index for each name, given once and for ever.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// How many keys have an index; labels of further keys are in no record.
pub const MAX_KEYS: usize = 255;

static NAMES: [OnceLock<&'static str>; MAX_KEYS] = [const { OnceLock::new() }; MAX_KEYS];
/// Stored last, so that every name below it is there.
static LEN: AtomicUsize = AtomicUsize::new(0);
static APPEND: Mutex<()> = Mutex::new(());
static APPENDED: OnceLock<fn(&Appending)> = OnceLock::new();

/// The right to append, and to publish the table: one thread at a time, so that what is published never shrinks.
pub(crate) type Appending = MutexGuard<'static, ()>;

pub(crate) fn lock() -> Appending {
    APPEND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `hook` after each append, before anything can use the new index.
#[cfg_attr(not(all(target_os = "linux", feature = "otel-thread-ctx")), allow(dead_code))]
pub(crate) fn on_append(hook: fn(&Appending)) {
    let _first = APPENDED.set(hook);
}

/// The name of the key with this index.
///
/// Takes no lock. An index keeps its name for the life of the process.
pub fn key_name(index: u8) -> Option<&'static str> {
    NAMES.get(usize::from(index))?.get().copied()
}

/// The names of all keys, in the order of their indices.
pub fn key_names() -> impl Iterator<Item = &'static str> {
    NAMES[..LEN.load(Ordering::Acquire)].iter().filter_map(|name| name.get().copied())
}

/// The index of `name`, which gets one if it has none; `None` if the table is full.
#[inline]
pub(super) fn index(name: &'static str) -> Option<u8> {
    find(name).or_else(|| append(name))
}

#[inline]
fn find(name: &'static str) -> Option<u8> {
    // A key is nearly always asked for by the very text it was appended by.
    key_names().position(|known| ptr::eq(known, name) || known == name).map(|at| at as u8)
}

#[cold]
fn append(name: &'static str) -> Option<u8> {
    let appending = lock();
    if let Some(index) = find(name) {
        return Some(index);
    }
    let at = LEN.load(Ordering::Relaxed);
    NAMES.get(at)?.get_or_init(|| name);
    LEN.store(at + 1, Ordering::Release);
    if let Some(hook) = APPENDED.get() {
        hook(&appending);
    }
    Some(at as u8)
}
