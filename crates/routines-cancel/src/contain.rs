//! Owns how the user's code is run where its panics must stop nothing: among callbacks, wakers and destructors, one after the other.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f`; of a panic the panic hook has told, and it goes no further.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // What was thrown has a destructor, too.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(payload);
        }
    }
}
