//! Owns the heap profile: the allocator that is wrapped, what is live by labels and stack, and its export.
//!
//! A program opts in where it names its global allocator, and chooses how exact it wants to be:
//!
//! ```
//! use routines_profile::heap::HeapProfiler;
//!
//! #[global_allocator]
//! static ALLOCATOR: HeapProfiler = HeapProfiler::sampled(512 * 1024);
//! # fn main() {}
//! ```
//!
//! | | finds | stacks | cost |
//! |---|---|---|---|
//! | [`HeapProfiler::sampled`] | an estimate | yes | a subtraction an allocation, a look at one byte a free |
//! | [`HeapProfiler::exact`] | every byte | no | eight bytes a block and two atomic additions each way |
//!
//! Bytes count for the labels under which they were allocated, or last reallocated, on whichever thread they are freed.
//! Measured costs: `docs/heap.md`.

mod accounts;
mod filter;
mod fork;
mod live;
mod sampled;
mod stack;
mod thread;

use std::alloc::System;
use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::pprof::Builder;
use crate::profile::symbols::Symbols;
use crate::record;

pub(crate) use accounts::{charge, refund};
pub(crate) use sampled::{allocated, freed, returned};

/// Has records name the account their bytes count for, if each byte is counted.
pub(crate) fn install() {
    if thread::config().is_some_and(|config| config.mode == Mode::Exact) {
        // Again changes nothing.
        let _first = record::charge(accounts::account);
    }
}

/// A global allocator that knows for which labels its blocks were allocated, and leaves the work to another.
///
/// Never takes a lock that allocating code could hold, allocates for itself only while it takes a sample, and keeps what it
/// knows through `fork`.
///
/// ```
/// use routines_profile::heap::HeapProfiler;
///
/// static SAMPLED: HeapProfiler = HeapProfiler::sampled(512 * 1024);
/// static EXACT: HeapProfiler = HeapProfiler::exact().keys(&["tenant"]);
/// ```
#[derive(Debug)]
pub struct HeapProfiler<A = System> {
    pub(crate) inner: A,
    pub(crate) config: Config,
}

/// What an allocator was told where it was named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Config {
    pub(crate) mode: Mode,
    /// The labels that are told apart; empty: all.
    pub(crate) keys: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Off,
    Sampled(usize),
    Exact,
}

impl HeapProfiler {
    /// Takes a sample for each `period` bytes on average: each byte is as likely as any other, whatever block it is in.
    ///
    /// 512 KiB is what Go and jemalloc use: hard to see in timings, and within some ten per cent for what holds a hundred samples.
    pub const fn sampled(period: usize) -> Self {
        HeapProfiler::new(Mode::Sampled(if period == 0 { 1 } else { period }))
    }

    /// Counts every byte, by labels and without stacks.
    ///
    /// A process has [`MAX_ACCOUNTS`] sets of labels; what is allocated for later ones counts for [`OTHER`]. Labels of many values, as
    /// a request's id, are to be left out with [`keys`](Self::keys).
    pub const fn exact() -> Self {
        HeapProfiler::new(Mode::Exact)
    }

    /// Only hands on: for a program that decides when it is built.
    pub const fn off() -> Self {
        HeapProfiler::new(Mode::Off)
    }

    const fn new(mode: Mode) -> Self {
        HeapProfiler { inner: System, config: Config { mode, keys: &[] } }
    }

    /// Leaves the work to another allocator than the system's.
    pub const fn over<A>(self, inner: A) -> HeapProfiler<A> {
        HeapProfiler { inner, config: self.config }
    }
}

impl<A> HeapProfiler<A> {
    /// Tells apart only by these labels.
    #[must_use]
    pub const fn keys(mut self, keys: &'static [&'static str]) -> Self {
        self.config.keys = keys;
        self
    }
}

/// How many sets of labels [`HeapProfiler::exact`] tells apart.
pub const MAX_ACCOUNTS: usize = accounts::COUNT - 2;
/// What stands for the values of the labels that were one set too many.
pub const OTHER: &str = "(other)";

/// A number of blocks and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes, as they were asked for.
    pub bytes: u64,
}

impl Usage {
    fn add(&mut self, other: Usage) {
        self.blocks += other.blocks;
        self.bytes += other.bytes;
    }
}

/// Blocks of one stack and one set of labels.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HeapSample {
    /// The return addresses of the calls that led to the allocation, the innermost first; empty if the profile has no stacks.
    pub stack: Vec<usize>,
    /// The labels, by key.
    pub labels: Vec<(&'static str, String)>,
    /// What is live.
    pub live: Usage,
    /// What was ever allocated, if that is known.
    pub ever: Option<Usage>,
}

/// What was live at one moment.
#[derive(Debug, Clone)]
pub struct HeapProfile {
    taken: SystemTime,
    period: usize,
    samples: Vec<HeapSample>,
}

/// What is live now, by labels.
///
/// Other threads go on allocating meanwhile: what they do then may be in it or not. Takes time and memory in proportion to
/// the samples that are live (one for each period), or to the sets of labels there ever were.
///
/// # Errors
///
/// The process's global allocator is no [`HeapProfiler`], or one that is [`off`](HeapProfiler::off).
///
/// ```
/// use routines_profile::heap::{self, HeapProfiler};
///
/// #[global_allocator]
/// static ALLOCATOR: HeapProfiler = HeapProfiler::exact();
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let held = vec![0_u8; 100_000];
/// assert!(heap::profile()?.total().bytes >= 100_000);
/// std::fs::write(std::env::temp_dir().join("heap.pb.gz"), heap::profile()?.to_pprof())?;
/// # drop(held);
/// # Ok(()) }
/// ```
pub fn profile() -> Result<HeapProfile, HeapError> {
    let taken = SystemTime::now();
    let config = thread::config().ok_or(HeapError)?;
    let (period, samples) = match config.mode {
        Mode::Off => return Err(HeapError),
        Mode::Sampled(period) => (period, sampled::samples(period, config.keys)),
        Mode::Exact => (1, accounts::samples()),
    };
    Ok(HeapProfile { taken, period, samples })
}

impl HeapProfile {
    /// The samples, in no particular order.
    pub fn samples(&self) -> &[HeapSample] {
        &self.samples
    }

    /// All that is live.
    pub fn total(&self) -> Usage {
        self.sum(|_| true)
    }

    /// What is live of a label's value.
    pub fn of(&self, key: &str, value: &str) -> Usage {
        self.sum(|sample| sample.labels.iter().any(|(name, text)| *name == key && text == value))
    }

    fn sum(&self, counts: impl Fn(&HeapSample) -> bool) -> Usage {
        let mut sum = Usage::default();
        self.samples.iter().filter(|sample| counts(sample)).for_each(|sample| sum.add(sample.live));
        sum
    }

    /// The profile for `go tool pprof`, gzipped: `inuse_space` and `inuse_objects`, and `alloc_…` if that is known.
    ///
    /// Finding names for the stacks reads the program's debug information, which takes seconds for a large one.
    pub fn to_pprof(&self) -> Vec<u8> {
        let ever = self.samples.iter().any(|sample| sample.ever.is_some());
        let types = [
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ];
        let types = if ever { &types[..] } else { &types[2..] };
        let mut builder = Builder::new(types, ("space", "bytes"), self.period as i64);
        builder.time(self.taken, Duration::ZERO);
        builder.default_type("inuse_space");
        let mut symbols = Symbols::read();
        for sample in &self.samples {
            let usages = sample.ever.filter(|_| ever).into_iter().chain([sample.live]);
            let values: Vec<i64> = usages.flat_map(|usage| [usage.blocks as i64, usage.bytes as i64]).collect();
            let labels = sample.labels.iter().map(|(key, value)| (*key, value.as_str()));
            builder.add(&stack::named(&sample.stack, &mut symbols), &values, labels);
        }
        builder.finish()
    }
}

/// Nobody knows what is on the heap: the global allocator is no [`HeapProfiler`], or one that is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeapError;

impl fmt::Display for HeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no heap profile: the program's #[global_allocator] is no `routines_profile::heap::HeapProfiler`, or one that is off")
    }
}

impl Error for HeapError {}
