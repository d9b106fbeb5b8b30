//! Owns the course of a profile: what is set up, what is done while it runs, and in which order it all ends.

mod code;
pub(crate) mod ring;
mod threads;

use std::collections::HashMap;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use self::code::Code;
use self::ring::{Ring, Taken};
use self::threads::Threads;
use super::{ProfileError, RawSample, Samples};
use crate::sys::signal::{Disposition, Gate, check_stacks};

/// Between two readings of the ring.
const TICK: Duration = Duration::from_millis(20);
/// Samples that differ in stack, labels or thread; those above are counted as lost.
const MAX_DISTINCT: usize = 100_000;

/// Made with the first profile and never freed: a handler may hold it at any time.
static RING: OnceLock<Ring> = OnceLock::new();

/// What the handler writes into.
pub(crate) fn ring() -> Option<&'static Ring> {
    RING.get()
}

/// Several times what all processors can take down between two readings.
fn make_ring() -> Ring {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    Ring::with_capacity((processors * 128).clamp(1024, 8192))
}

pub(super) fn take(period: Duration, duration: Duration) -> Result<Samples, ProfileError> {
    let mut session = Session::begin(period)?;
    let started = Instant::now();
    loop {
        session.look()?;
        let left = duration.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Ok(session.end(started.elapsed()));
        }
        thread::sleep(left.min(TICK));
    }
}

/// A profile under way. The order of the fields is that of its end: no timer, then no handler at work, then no handler.
struct Session {
    threads: Threads,
    disposition: Disposition,
    gate: Gate,
    ring: &'static Ring,
    seen: usize,
    collected: Collected,
}

impl Session {
    fn begin(period: Duration) -> Result<Self, ProfileError> {
        let (gate, token) = Gate::open().ok_or(ProfileError::Busy)?;
        check_stacks().map_err(|source| ProfileError::System { call: "process_vm_readv", source })?;
        let ring = RING.get_or_init(make_ring);
        if gate.inherited {
            ring.reset();
        }
        ring.drain_all(drop);
        ring.take_lost();
        let disposition = Disposition::take()
            .map_err(|source| ProfileError::System { call: "sigaction", source })?
            .ok_or(ProfileError::SignalTaken)?;
        let (threads, collected) = (Threads::new(token, period), Collected::new(period));
        Ok(Self { threads, disposition, gate, ring, seen: ring.next_ticket(), collected })
    }

    fn look(&mut self) -> Result<(), ProfileError> {
        if !self.disposition.is_in_place() {
            return Err(ProfileError::SignalTaken);
        }
        self.threads.look()?;
        self.collected.code.may_have_changed();
        self.seen = self.ring.drain(self.seen, |taken| self.collected.add(taken));
        Ok(())
    }

    fn end(mut self, duration: Duration) -> Samples {
        let (threads, untimed) = (self.threads.timed(), self.threads.untimed());
        drop(self.threads);
        self.gate.close();
        self.ring.drain_all(|taken| self.collected.add(taken));
        let lost = self.collected.lost + self.ring.take_lost();
        Samples { samples: self.collected.samples(), lost, duration, threads, untimed }
    }
}

/// Samples so far, equal ones added up.
struct Collected {
    period: Duration,
    counts: HashMap<Place, u64>,
    code: Code,
    lost: u64,
}

#[derive(PartialEq, Eq, Hash)]
struct Place {
    pcs: Vec<usize>,
    labels: Box<[u8]>,
    thread: i32,
}

impl Collected {
    fn new(period: Duration) -> Self {
        Self { period, counts: HashMap::new(), code: Code::default(), lost: 0 }
    }

    fn add(&mut self, taken: Taken) {
        let Taken { mut pcs, labels, thread, expirations } = taken;
        self.code.cut(&mut pcs);
        let place = Place { pcs, labels, thread };
        let room = self.counts.len() < MAX_DISTINCT;
        match self.counts.get_mut(&place) {
            Some(count) => *count += u64::from(expirations),
            None if room => drop(self.counts.insert(place, expirations.into())),
            None => self.lost += u64::from(expirations),
        }
    }

    fn samples(self) -> Vec<RawSample> {
        let period = self.period.as_nanos() as u64;
        let sample = |(Place { pcs, labels, thread }, count)| RawSample {
            pcs,
            weight_ns: period.saturating_mul(count),
            count,
            labels,
            thread,
        };
        self.counts.into_iter().map(sample).collect()
    }
}
