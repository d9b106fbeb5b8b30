//! Owns routine ids: never reused, handed to each thread in blocks so that starting a routine touches no shared counter.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// The identity of a routine: a non-zero number that is never reused within a process.
///
/// The main thread's is 1, as in Go. Ids say nothing about age: every thread hands them out from a block of its own.
///
/// The id of a task that was started behind our back (see [`id()`](crate::id())) is *foreign*: derived from the
/// runtime's own task id, with the top bit set, so that it can never be mistaken for one of ours.
///
/// ```
/// let id = routines::id();
/// assert_eq!(id, routines::current().id());
/// assert_eq!(routines::RoutineId::from_u64(id.as_u64()), Some(id));
/// assert!(!id.is_foreign());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "dump", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct RoutineId(NonZeroU64);

/// Set in the ids of tasks we did not start.
const FOREIGN: u64 = 1 << 63;

/// The main thread's id.
const MAIN: u64 = 1;

/// How many ids a thread takes at once: one shared read-modify-write per block (bench group `spawn` cannot see it).
const BLOCK: u64 = 64;

static NEXT_BLOCK: AtomicU64 = AtomicU64::new(MAIN + 1);

impl RoutineId {
    /// The main thread's id, 1.
    pub const MAIN: RoutineId = RoutineId(NonZeroU64::MIN);

    /// The id as a number.
    #[inline]
    pub const fn as_u64(self) -> u64 {
        self.0.get()
    }

    /// The id with this number, or `None` for 0.
    #[inline]
    pub const fn from_u64(number: u64) -> Option<RoutineId> {
        match NonZeroU64::new(number) {
            Some(number) => Some(RoutineId(number)),
            None => None,
        }
    }

    /// Whether this is a task that nobody wrapped: its id comes from its runtime and it is not in [`ids`](crate::ids).
    #[inline]
    pub const fn is_foreign(self) -> bool {
        self.0.get() & FOREIGN != 0
    }

    /// The foreign id of the runtime's task `task`.
    #[inline]
    pub(crate) const fn foreign(task: u64) -> RoutineId {
        match NonZeroU64::new(task | FOREIGN) {
            Some(number) => RoutineId(number),
            None => RoutineId::MAIN,
        }
    }
}

impl fmt::Display for RoutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_foreign() { write!(f, "foreign-{}", self.0.get() & !FOREIGN) } else { fmt::Display::fmt(&self.0, f) }
    }
}

impl fmt::Debug for RoutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoutineId({self})")
    }
}

impl std::str::FromStr for RoutineId {
    type Err = ParseIdError;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (digits, mark) = match text.strip_prefix("foreign-") {
            Some(rest) => (rest, FOREIGN),
            None => (text, 0),
        };
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        let number = digits.parse::<u64>().ok().filter(|n| plain && n & FOREIGN == 0);
        number.and_then(|n| RoutineId::from_u64(n | mark)).ok_or(ParseIdError(()))
    }
}

/// The text is not a routine id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseIdError(());

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a routine id: expected a positive number, or `foreign-` and a number")
    }
}

impl std::error::Error for ParseIdError {}

/// A thread's own supply of ids.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    next: u64,
    end: u64,
}

impl Block {
    pub(crate) const EMPTY: Block = Block { next: 0, end: 0 };

    /// Takes one id, fetching a new block when this one is used up.
    #[inline]
    pub(crate) fn take(&mut self) -> u64 {
        if self.next == self.end {
            // Relaxed: the counter publishes nothing but itself.
            self.next = NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed);
            self.end = self.next + BLOCK;
        }
        let id = self.next;
        self.next += 1;
        id
    }
}

/// Whether the calling thread is the process's main thread.
pub(crate) fn on_main_thread() -> bool {
    #[cfg(all(target_os = "linux", not(miri)))]
    return nix::unistd::gettid() == nix::unistd::getpid();
    #[cfg(any(not(target_os = "linux"), miri))]
    return std::thread::current().name() == Some("main");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_different_blocks_never_meet() {
        let (mut a, mut b) = (Block::EMPTY, Block::EMPTY);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..3 * BLOCK {
            assert!(seen.insert(a.take()));
            assert!(seen.insert(b.take()));
        }
        assert!(!seen.contains(&0) && !seen.contains(&MAIN));
    }

    #[test]
    fn text_and_back() {
        for id in [RoutineId::MAIN, RoutineId::foreign(9), RoutineId::from_u64(77).expect("not zero")] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for bad in ["", "0", "-1", "+1", "foreign-", "1x", "99999999999999999999", "9223372036854775809"] {
            assert!(bad.parse::<RoutineId>().is_err(), "{bad}");
        }
    }
}
