//! Owns what the allocator keeps of each thread, and what it was told: readable at any moment of a thread's life.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Config, fork};

/// Counters are kept in so many places, so that threads seldom share one.
pub(super) const STRIPES: usize = 8;

static CONFIG: OnceLock<Config> = OnceLock::new();
static THREADS: AtomicUsize = AtomicUsize::new(0);

struct Thread {
    /// Bytes until the next sample.
    left: Cell<isize>,
    /// The state of this thread's dice; 0: never thrown.
    dice: Cell<u64>,
    /// Whether what is allocated and freed here now is the profiler's own.
    busy: Cell<bool>,
    /// One more than the number of its place for counters; 0: none yet.
    stripe: Cell<usize>,
}

thread_local! {
    // Const and without a destructor: no allocation to make it, and there to the very end.
    static THREAD: Thread = const {
        Thread { left: Cell::new(0), dice: Cell::new(0), busy: Cell::new(false), stripe: Cell::new(0) }
    };
}

/// What the process's allocator was told, once it has allocated something.
pub(super) fn config() -> Option<Config> {
    CONFIG.get().copied()
}

/// Subtracts a block; whether its end is beyond the next sample.
#[inline]
pub(super) fn spend(size: usize) -> bool {
    THREAD.with(|thread| {
        // No block is larger than `isize::MAX`, and `left` is not far below zero for long.
        let left = thread.left.get().saturating_sub_unsigned(size);
        thread.left.set(left);
        left < 0
    })
}

/// Whether a sample is due: not if this thread had yet to throw its dice, and they say later.
pub(super) fn is_due(config: Config, period: usize) -> bool {
    THREAD.with(|thread| {
        if thread.dice.get() == 0 {
            thread.dice.set(seed(config));
            thread.left.set(thread.left.get().saturating_add_unsigned(distance(thread, period)));
        }
        thread.left.get() < 0
    })
}

/// Says when the next sample is due.
pub(super) fn rearm(period: usize) {
    THREAD.with(|thread| thread.left.set(isize::MAX.min(distance(thread, period) as isize)));
}

/// The place of this thread's counters.
#[inline]
pub(super) fn stripe(config: &Config) -> usize {
    THREAD.with(|thread| match thread.stripe.get() {
        0 => first_stripe(thread, *config),
        stripe => stripe - 1,
    })
}

#[cold]
fn first_stripe(thread: &Thread, config: Config) -> usize {
    let stripe = enlist(config) % STRIPES;
    thread.stripe.set(stripe + 1);
    stripe
}

/// The number of this thread among those that allocate.
fn enlist(config: Config) -> usize {
    if CONFIG.set(config).is_ok() {
        fork::prepare();
    }
    THREADS.fetch_add(1, Ordering::Relaxed)
}

fn seed(config: Config) -> u64 {
    // What differs from thread to thread, and from run to run where addresses do.
    let place = (&raw const CONFIG).addr() as u64;
    mixed(enlist(config) as u64 ^ place.rotate_left(32)) | 1
}

/// The bytes between two samples, if each byte starts one by the same small chance: exponentially distributed, about `period`.
fn distance(thread: &Thread, period: usize) -> usize {
    let next = thread.dice.get().wrapping_add(0x9e37_79b9_7f4a_7c15).max(1);
    thread.dice.set(next);
    // 53 bits are what a float holds; one more than zero of them, as zero has no logarithm.
    let chance = ((mixed(next) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    (-chance.ln() * period as f64) as usize
}

/// SplitMix64's finaliser.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// While it lives, what this thread allocates and frees is the profiler's own: seen by nobody.
pub(super) struct Busy(());

impl Busy {
    /// `None`: it is already.
    pub(super) fn enter() -> Option<Busy> {
        THREAD.with(|thread| if thread.busy.replace(true) { None } else { Some(Busy(())) })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        THREAD.with(|thread| thread.busy.set(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_a_period_apart_on_average_and_seldom_two() {
        const PERIOD: usize = 1_000;
        const DRAWS: usize = 20_000;
        THREAD.with(|thread| {
            thread.dice.set(1);
            let draws: Vec<usize> = (0..DRAWS).map(|_| distance(thread, PERIOD)).collect();
            let mean = draws.iter().sum::<usize>() / DRAWS;
            assert!((950..1_050).contains(&mean), "{mean}");
            // e⁻² of them are longer than two periods.
            let long = draws.iter().filter(|&&draw| draw > 2 * PERIOD).count();
            assert!((2_400..3_000).contains(&long), "{long}");
        });
    }
}
