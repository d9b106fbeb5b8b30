//! Owns the one danger of default values: a supplier that reads its own key.

use std::cell::RefCell;

thread_local! {
    /// The keys whose default is being made on this thread.
    static MAKING: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Takes the key off the list also when its supplier panics.
struct Making(u64);

impl Drop for Making {
    fn drop(&mut self) {
        // At thread exit the list may be gone already; then there is nothing to take off.
        let _ = MAKING.try_with(|making| making.borrow_mut().retain(|token| *token != self.0));
    }
}

/// Runs `make`, or returns `None` if it is running for the same key already.
pub(crate) fn once<T>(token: u64, make: fn() -> T) -> Option<T> {
    let nested = MAKING.try_with(|making| {
        let mut making = making.borrow_mut();
        let nested = making.contains(&token);
        if !nested {
            making.push(token);
        }
        nested
    });
    if nested == Ok(true) {
        return None;
    }
    let _making = Making(token);
    Some(make())
}
