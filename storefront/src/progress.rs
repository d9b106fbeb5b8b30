//! Owns the progress shown while a run works: one line rewritten on a terminal, four plain lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The line is rewritten at most this often.
const PAUSE: Duration = Duration::from_millis(100);

/// Counts steps up to a total, on standard error.
pub(crate) struct Progress {
    total: u64,
    terminal: bool,
    state: Mutex<State>,
}

struct State {
    done: u64,
    written: Instant,
}

impl Progress {
    /// Nothing done yet.
    pub(crate) fn new(total: u64) -> Self {
        let state = State { done: 0, written: Instant::now() };
        Progress { total, terminal: io::stderr().is_terminal(), state: Mutex::new(state) }
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        let Ok(mut state) = self.state.lock() else { return };
        state.done += 1;
        if self.terminal && state.written.elapsed() >= PAUSE {
            state.written = Instant::now();
            self.write(format_args!("\r{} of {} requests", state.done, self.total));
        } else if !self.terminal && is_quarter(state.done, self.total) {
            self.write(format_args!("{} of {} requests\n", state.done, self.total));
        }
    }

    /// Clears the line.
    pub(crate) fn finish(&self) {
        if self.terminal {
            self.write(format_args!("\r\x1b[K"));
        }
    }

    /// Progress that cannot be shown is no reason to stop.
    fn write(&self, text: std::fmt::Arguments<'_>) {
        let _ = io::stderr().write_fmt(text);
    }
}

/// Whether `done` is the first number to reach another quarter of `total`.
fn is_quarter(done: u64, total: u64) -> bool {
    done > 0 && done * 4 / total > (done - 1) * 4 / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_four_quarters_whatever_the_total() {
        for total in [4, 5, 7, 60, 2_000] {
            assert_eq!((1..=total).filter(|done| is_quarter(*done, total)).count(), 4, "{total}");
        }
        assert!(is_quarter(1, 1));
    }
}
