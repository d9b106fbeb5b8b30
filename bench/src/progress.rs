//! Tells whoever waits how far the work is, on standard error, about once a second.

use std::time::{Duration, Instant};

/// How far one stretch of work is.
pub(crate) struct Progress {
    what: String,
    total: usize,
    said: Instant,
}

impl Progress {
    /// A stretch of work with so many steps.
    pub(crate) fn new(what: impl Into<String>, total: usize) -> Self {
        let what = what.into();
        eprintln!("{what}: {total} rounds");
        Self { what, total, said: Instant::now() }
    }

    /// So many steps are done.
    pub(crate) fn at(&mut self, done: usize) {
        if done == self.total || self.said.elapsed() > Duration::from_secs(1) {
            self.said = Instant::now();
            eprintln!("{}: {done} of {}", self.what, self.total);
        }
    }
}
