//! Owns a profile's samples: where each thread was whenever it had used another period of processor time, with which labels.
//!
//! Every thread gets a timer on its own processor clock, found by looking through the process's list of threads again and again, so
//! none has to register. The timer's signal (SIGPROF) interrupts that very thread; the handler takes down the addresses of the calls
//! and the labels of the routine that is current there, and weights them by how often the timer expired meanwhile.
//!
//! # Limits
//!
//! - Linux on x86-64 and aarch64 (the latter compiled, not tried out); elsewhere [`ProfileError::Unsupported`].
//! - Calls are followed along frame pointers: build with `-C force-frame-pointers=yes`. Where code keeps none, its callers are
//!   missing. A stack ends before the first address that is no code; one left over on the stack from earlier calls can pass for a caller.
//! - A thread that lives less than the interval between two looks (20 ms, more with thousands of threads) may be missed. What others
//!   used before they were found counts for where they are then.
//! - A thread that blocks SIGPROF is sampled when it next lets it in, for all it used meanwhile.
//! - Kernels check processor clocks at each tick (100 to 1000 times a second): a higher frequency gives heavier samples, not
//!   more, and what a thread used between its last tick and its end is not seen.
//!   Work in pieces of milliseconds that keep step with the ticks is shared out wrongly among its pieces (their sum is right);
//!   pieces of varying length are not.
//! - System calls that the kernel never restarts (`epoll_wait`, `nanosleep`, `poll`) can return `EINTR`; std and tokio handle that.
//!   It is rare: the signal comes while the thread runs, or once when a new thread is found.
//! - A thread that never ran a routine has no labels.
//! - Code in a library that is itself loaded by `dlopen` must not contain this crate: the first touch of its thread-local
//!   storage may allocate, which a signal handler must not. To profile such code from outside of it is fine.
//!
//! # Forks, new images, other profilers
//!
//! Timers are not inherited by a fork: it records nothing, and can make a profile of its own. A new image (`exec`) starts with neither
//! timers nor handler, and the kernel takes back a timer's pending signal. A SIGPROF that no timer of the profile sent is
//! ignored while a profile runs, and from then on: after the first profile the signal's disposition is *ignored* if it was the default, as
//! the default ends the process and the last signal may still be on its way. Ignored signals stay so in a new image.
//! A handler of somebody else is left alone: [`ProfileError::SignalTaken`], also when it is installed in the course of a profile.

use std::error;
use std::fmt;
use std::io;
use std::time::Duration;

#[cfg(all(target_os = "linux", target_pointer_width = "64", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod session;

/// How to sample.
#[derive(Clone, Debug)]
pub struct Options {
    /// Samples per second of processor time: 1 to 1000; 99 unless changed.
    pub frequency: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { frequency: 99 }
    }
}

/// What was taken down at one place: equal samples of a thread are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSample {
    /// The interrupted address, then the address that each call returns to, innermost first: subtract one from those to be within
    /// the call.
    pub pcs: Vec<usize>,
    /// The processor time it stands for.
    pub weight_ns: u64,
    /// How often the timer expired here.
    pub count: u64,
    /// The attributes of the labels that were current, as [`record::attrs`](crate::record::attrs) reads them.
    pub labels: Box<[u8]>,
    /// The kernel's number of the thread.
    pub thread: i32,
}

/// The samples of one profile.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// In no order.
    pub samples: Vec<RawSample>,
    /// Expirations that nothing was taken down for, as there was no room; each stands for one period of processor time.
    pub lost: u64,
    /// How long samples were taken.
    pub duration: Duration,
    /// How many threads were timed.
    pub threads: usize,
    /// How many threads at once were not, as the limit of pending signals (`ulimit -i`) left no timer for them.
    pub untimed: usize,
}

/// Why there is no profile.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProfileError {
    /// Neither Linux nor one of its processors that are supported: x86-64 and aarch64.
    Unsupported,
    /// Somebody else handles SIGPROF: another profiler, most often.
    SignalTaken,
    /// A profile is being made: a process makes one at a time.
    Busy,
    /// Not a frequency from 1 to 1000.
    Frequency(u32),
    /// The system refused a call.
    System {
        /// What was called.
        call: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported => f.write_str("CPU profiles need Linux on x86-64 or aarch64"),
            Self::SignalTaken => f.write_str("SIGPROF has another handler: stop the other profiler first"),
            Self::Busy => f.write_str("a CPU profile is being made already: a process makes one at a time"),
            Self::Frequency(frequency) => write!(f, "the frequency must be from 1 to 1000 Hz, not {frequency}"),
            Self::System { call, source } => write!(f, "{call} failed: {source}"),
        }
    }
}

impl error::Error for ProfileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Takes samples of all threads of this process for `duration`, blocking the calling thread.
///
/// Threads: from any, one at a time. Panics: never. Cost: some 10 µs of a running thread per sample and a look at the list of threads every
/// 20 ms; once, about 1 MB that stays.
///
/// # Errors
///
/// [`ProfileError`] tells each; nothing is left changed then.
///
/// ```
/// use std::time::Duration;
/// use routines_profile::sampler::{self, Options};
///
/// # #[cfg(target_os = "linux")] {
/// let samples = sampler::run(Options::default(), Duration::from_millis(50))?;
/// assert!(samples.threads >= 1);
/// # }
/// # Ok::<(), sampler::ProfileError>(())
/// ```
pub fn run(options: Options, duration: Duration) -> Result<Samples, ProfileError> {
    let frequency = options.frequency;
    if !(1..=1000).contains(&frequency) {
        return Err(ProfileError::Frequency(frequency));
    }
    take(Duration::from_secs(1) / frequency, duration)
}

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
use session::take;

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
fn take(_period: Duration, _duration: Duration) -> Result<Samples, ProfileError> {
    Err(ProfileError::Unsupported)
}
