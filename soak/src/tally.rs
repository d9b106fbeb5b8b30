//! Owns the account of a run: what was started each way, what was read wrongly, what lives.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::oracle::Expected;
use crate::ways::Way;

/// So many wrong reads are told in full.
const TOLD: usize = 10;

/// The account, shared by all.
#[derive(Default)]
pub(crate) struct Tally {
    started: [AtomicU64; Way::ALL.len()],
    reads: AtomicU64,
    panics: AtomicU64,
    dropped_early: AtomicU64,
    alive: AtomicI64,
    budget: AtomicI64,
    wrong: AtomicU64,
    told: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Tally {
    /// Allows `units` more units.
    pub(crate) fn allow(&self, units: u64) {
        self.budget.fetch_add(units.cast_signed(), Ordering::Relaxed);
    }

    /// Whether another unit may be started.
    pub(crate) fn may_start(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && self.budget.fetch_sub(1, Ordering::Relaxed) > 0
    }

    /// Counts a unit started this way.
    pub(crate) fn started(&self, way: Way) {
        self.started[way as usize].fetch_add(1, Ordering::Relaxed);
        self.alive.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts the end of a unit; `early` if it was dropped before it was done.
    pub(crate) fn ended(&self, early: bool) {
        self.dropped_early.fetch_add(u64::from(early), Ordering::Relaxed);
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn panics(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Compares what is read with what must be.
    pub(crate) fn check(&self, way: Way, place: &str, expected: Expected) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let read = Expected::read();
        if read == expected {
            return;
        }
        self.wrong.fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD {
            told.push(format!("{way:?}, {place}, routine {}: read {read:?}, not {expected:?}", routines::id()));
        }
    }

    /// How many units live.
    pub(crate) fn alive(&self) -> i64 {
        self.alive.load(Ordering::SeqCst)
    }

    /// How many reads were wrong.
    pub(crate) fn wrong(&self) -> u64 {
        self.wrong.load(Ordering::Relaxed)
    }

    /// The first wrong reads.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many units were started in each way.
    pub(crate) fn ways(&self) -> impl Iterator<Item = (Way, u64)> {
        Way::ALL.iter().map(|way| (*way, self.started[*way as usize].load(Ordering::Relaxed)))
    }

    /// Reads checked, panics injected, units dropped before they were done.
    pub(crate) fn figures(&self) -> [u64; 3] {
        [&self.reads, &self.panics, &self.dropped_early].map(|figure| figure.load(Ordering::Relaxed))
    }
}
