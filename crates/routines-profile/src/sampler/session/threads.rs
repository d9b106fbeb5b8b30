//! Owns the timers of a profile: one a thread, made when the thread is first seen and deleted when it is gone.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::io;
use std::time::{Duration, Instant};

use crate::sampler::ProfileError;
use crate::sys::signal::{Timer, Token};

/// Between two looks at the list of threads, at least.
const INTERVAL: Duration = Duration::from_millis(20);
/// A look costs at most one in so many moments of one processor, as long as that is no longer than [`LONGEST`].
const SHARE: u32 = 100;
/// A look that had to wait for a processor is no reason not to look again.
const LONGEST: Duration = Duration::from_millis(200);

pub(super) struct Threads {
    token: Token,
    period: Duration,
    timers: HashMap<i32, Timer>,
    untimed: usize,
    started: usize,
    looked: Option<Instant>,
    due: Instant,
    random: RandomState,
}

impl Threads {
    pub(super) fn new(token: Token, period: Duration) -> Self {
        let (timers, random) = (HashMap::new(), RandomState::new());
        Self { token, period, timers, untimed: 0, started: 0, looked: None, due: Instant::now(), random }
    }

    /// How many threads were timed at some time.
    pub(super) fn timed(&self) -> usize {
        self.started
    }

    /// How many threads at once the system had no timer for, at worst.
    pub(super) fn untimed(&self) -> usize {
        self.untimed
    }

    /// Looks for new and ended threads, if it is time to.
    pub(super) fn look(&mut self) -> Result<(), ProfileError> {
        let now = Instant::now();
        if now < self.due {
            return Ok(());
        }
        let since = self.looked.map_or(Duration::ZERO, |looked| now - looked);
        self.timers.retain(|_, timer| timer.thread_lives());
        let refused: Vec<_> = threads()?.into_iter().filter_map(|thread| self.time(thread, since).err()).collect();
        self.untimed = self.untimed.max(refused.iter().filter(|error| is_limit(error)).count());
        if self.timers.is_empty() {
            let source = refused.into_iter().next().unwrap_or_else(|| io::ErrorKind::NotFound.into());
            return Err(ProfileError::System { call: "timer_create", source });
        }
        self.looked = Some(now);
        self.due = now + (now.elapsed() * SHARE).clamp(INTERVAL, LONGEST);
        Ok(())
    }

    /// Starts the thread's timer unless it has one.
    fn time(&mut self, thread: i32, since: Duration) -> io::Result<()> {
        if self.timers.contains_key(&thread) {
            return Ok(());
        }
        let timer = Timer::new(thread, self.token)?;
        // What it used before is not of this profile, unless it was born since the last look: then all it used is.
        // The phase is random, or threads that live less than a period would never be sampled.
        let phase = self.random.hash_one((thread, self.started)) % self.period.as_nanos() as u64;
        let first = timer.used()?.saturating_sub(since) + Duration::from_nanos(1 + phase);
        timer.start(first, self.period)?;
        self.started += 1;
        self.timers.insert(thread, timer);
        Ok(())
    }
}

/// As opposed to a thread that has ended meanwhile and needs no timer.
fn is_limit(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EAGAIN)
}

fn threads() -> Result<Vec<i32>, ProfileError> {
    let failed = |source| ProfileError::System { call: "reading /proc/self/task", source };
    let entries = fs::read_dir("/proc/self/task").map_err(failed)?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}
