//! Who holds a value or a context, and through what.
#![allow(missing_docs, reason = "a test's name is its sentence")]

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One test at a time: another's dump would hold for a moment what this one says is not held.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

mod values;
mod watches;
