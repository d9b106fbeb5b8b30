//! Owns what a unit of work must read: the naive model, a plain array that is handed on by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rand::{Rng, RngExt};
use routines::{Inherit, Local};

/// How many values live: a value is counted as long as anything holds it.
static LIVE: AtomicI64 = AtomicI64::new(0);

/// A value that tells when it is gone.
#[derive(Debug)]
pub(crate) struct Counted(u64);

impl Counted {
    fn new(number: u64) -> Arc<Counted> {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Arc::new(Counted(number))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many values live.
pub(crate) fn live_values() -> i64 {
    LIVE.load(Ordering::Relaxed)
}

type Key = Local<Arc<Counted>>;

/// Keys of each kind, by number: plain ones, a named one, one that never crosses, and two that are derived.
static KEYS: [Key; 6] = [
    Local::new(),
    Local::new(),
    Local::new().named("soak"),
    Local::new().inherit(Inherit::Never),
    Local::new().derive(|parent| Counted::new(parent.0 + 1)),
    Local::new().named("derived").derive(|parent| Counted::new(parent.0 + 1)),
];
const NEVER: usize = 3;
const DERIVED: std::ops::Range<usize> = 4..6;

/// What each key must read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Expected([Option<u64>; KEYS.len()]);

impl Expected {
    /// What the keys read, here and now.
    pub(crate) fn read() -> Expected {
        Expected(std::array::from_fn(|key| KEYS[key].get().map(|value| value.0)))
    }

    /// What work started from here must read if it inherits.
    pub(crate) fn child(mut self) -> Expected {
        self.0[NEVER] = None;
        self.0[DERIVED].iter_mut().flatten().for_each(|number| *number += 1);
        self
    }

    /// What is read once a snapshot of `then` has been restored over this.
    pub(crate) fn restored(self, then: Expected) -> Expected {
        let mut restored = then.child();
        restored.0[NEVER] = self.0[NEVER];
        restored
    }

    /// Binds a key, here and in the model, until the frame ends.
    pub(crate) fn set(&mut self, key: usize, number: u64) {
        if KEYS[key].try_set(Counted::new(number)).is_ok() {
            self.0[key] = Some(number);
        } else {
            // A task without a context of its own is refused, and there are such tasks without hooks only.
            assert!(!routines_tokio::Flow::is_supported(), "a hooked task was refused a value");
        }
    }

    /// Unbinds a key, here and in the model.
    pub(crate) fn remove(&mut self, key: usize) {
        drop(KEYS[key].remove());
        self.0[key] = None;
    }

    /// The model of a scope that binds a key.
    pub(crate) fn with(mut self, key: usize, number: u64) -> Expected {
        self.0[key] = Some(number);
        self
    }
}

/// A key, and a value to bind under it.
pub(crate) fn key(number: usize) -> (&'static Key, impl Fn(u64) -> Arc<Counted>) {
    (&KEYS[number], Counted::new)
}

/// Any key.
pub(crate) fn any_key(random: &mut impl Rng) -> usize {
    random.random_range(0..KEYS.len())
}

/// A number no other value has; derived ones are few enough not to reach the next.
pub(crate) fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1 << 16, Ordering::Relaxed)
}
