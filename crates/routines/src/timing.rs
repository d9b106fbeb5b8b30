//! Owns whether polls are timed, and the one word in which a record sums the time up.
//!
//! Two clock reads a poll cost more than all else a poll does here (bench group `wrapped future, per poll`), so polls are
//! timed only while somebody wants to know.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

static WATCHERS: AtomicUsize = AtomicUsize::new(0);
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// While one lives, the polls of routines are timed: see [`RoutineInfo::busy`](crate::RoutineInfo::busy).
///
/// Two reads of the clock per poll, some 40 ns; without one a poll costs what it always does. A poll that had begun before is not
/// counted.
///
/// ```
/// let timing = routines::Timing::on();
/// let worker = routines::thread::spawn(|| routines::current().info().unwrap().busy);
/// assert_eq!(worker.join().unwrap(), None); // a thread is not polled
/// drop(timing);
/// ```
#[derive(Debug)]
#[must_use = "polls are timed only while it lives"]
pub struct Timing(());

impl Timing {
    /// Begins to time.
    pub fn on() -> Timing {
        WATCHERS.fetch_add(1, Ordering::Relaxed);
        Timing(())
    }

    /// Whether anybody does.
    #[inline]
    pub fn is_on() -> bool {
        WATCHERS.load(Ordering::Relaxed) != 0
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        WATCHERS.fetch_sub(1, Ordering::Relaxed);
    }
}

fn now() -> u64 {
    START.elapsed().as_nanos() as u64
}

/// The time a routine was busy: twice the nanoseconds, and one more while a timed poll runs, which then stand as the sum less
/// the moment it began. Written by the owner alone.
pub(crate) struct Busy(AtomicU64);

impl Busy {
    pub(crate) const fn new() -> Busy {
        Busy(AtomicU64::new(0))
    }

    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn begin(&self) {
        if Timing::is_on() {
            self.add(now().wrapping_neg(), 1);
        }
    }

    #[inline]
    pub(crate) fn end(&self) {
        if self.0.load(Ordering::Relaxed) & 1 == 1 {
            self.add(now(), 0);
        }
    }

    #[cold]
    fn add(&self, nanos: u64, open: u64) {
        let sum = (self.0.load(Ordering::Relaxed) & !1).wrapping_add(nanos << 1);
        self.0.store(sum | open, Ordering::Relaxed);
    }

    /// The sum, with a running poll up to now; nothing if no poll was timed.
    pub(crate) fn sum(&self) -> Option<Duration> {
        let sum = match self.0.load(Ordering::Relaxed) {
            0 => return None,
            open if open & 1 == 1 => (open & !1).wrapping_add(now() << 1),
            sum => sum,
        };
        Some(Duration::from_nanos(sum >> 1))
    }
}
