//! Owns the errors of writing to a context.

use std::fmt;

use crate::value::Taken;

/// Why a context cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The code runs in a task that was started without its own context.
    Foreign,
    /// The thread is destroying its locals.
    ThreadExit,
}

/// A `set`, `remove` or `restore` was refused because there is no routine here to hold the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetError(Refusal);

impl SetError {
    pub(crate) fn new(refusal: Refusal) -> Self {
        SetError(refusal)
    }

    /// Whether the thread is destroying its locals, so that no value can be kept any more.
    pub fn is_thread_exit(&self) -> bool {
        self.0 == Refusal::ThreadExit
    }

    /// Whether the code runs in a task without a context of its own, where other tasks would see the value.
    pub fn is_foreign_task(&self) -> bool {
        self.0 == Refusal::Foreign
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Refusal::Foreign => {
                "this task has no context of its own, so a value set here would be seen by other tasks on this thread; \
                 start it with `routines_tokio::spawn` or `.inherit()`, or bind the value with `scope`"
            }
            Refusal::ThreadExit => "this thread is destroying its locals and can keep no value any more",
        })
    }
}

impl std::error::Error for SetError {}

/// [`Local::try_set`](crate::Local::try_set) was refused; the value is still here.
pub struct TrySetError<T> {
    error: SetError,
    value: Option<Taken<T>>,
}

impl<T> TrySetError<T> {
    pub(crate) fn new(error: SetError, value: Option<Taken<T>>) -> Self {
        TrySetError { error, value }
    }

    /// Why it was refused.
    pub fn error(&self) -> &SetError {
        &self.error
    }

    /// The value that was not set.
    pub fn into_value(self) -> Option<T> {
        // Nobody else ever saw the value, so it is not shared.
        self.value.and_then(|value| value.try_into_inner().ok())
    }
}

impl<T> fmt::Debug for TrySetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrySetError").field(&self.error).finish()
    }
}

impl<T> fmt::Display for TrySetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for TrySetError<T> {}
