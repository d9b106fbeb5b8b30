//! Owns the ring between the signal handler, which must never wait, and the profiling thread, which empties it.
//!
//! Everything is an atomic, so nothing here is `unsafe`: a handler that is interrupted half-way leaves a slot that nobody reads,
//! never a torn sample.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};

use crate::record::MAX_ATTRS;

/// How many addresses one sample holds.
pub(crate) const MAX_PCS: usize = 64;

const FREE: u8 = 0;
const WRITING: u8 = 1;
const READY: u8 = 2;

/// Slots made beforehand, handed out by a ticket: many writers, one reader.
pub(crate) struct Ring {
    slots: Box<[Slot]>,
    tickets: AtomicUsize,
    lost: AtomicU64,
}

struct Slot {
    state: AtomicU8,
    thread: AtomicI32,
    expirations: AtomicU32,
    depth: AtomicUsize,
    label_bytes: AtomicUsize,
    pcs: [AtomicUsize; MAX_PCS],
    labels: [AtomicU8; MAX_ATTRS],
}

/// What the handler took down, as the reader gets it.
#[derive(Debug, PartialEq)]
pub(crate) struct Taken {
    pub(crate) thread: i32,
    pub(crate) expirations: u32,
    pub(crate) pcs: Vec<usize>,
    pub(crate) labels: Box<[u8]>,
}

impl Ring {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let slots = std::iter::repeat_with(Slot::new).take(capacity.max(1)).collect();
        Self { slots, tickets: AtomicUsize::new(0), lost: AtomicU64::new(0) }
    }

    /// Claims a slot, or counts the sample as lost when its turn falls on one not yet read. Never waits, never loops.
    pub(crate) fn claim(&self, thread: i32, expirations: u32) -> Option<Writing<'_>> {
        let slot = self.slot(self.tickets.fetch_add(1, Relaxed))?;
        if slot.state.compare_exchange(FREE, WRITING, Acquire, Relaxed).is_err() {
            self.lost.fetch_add(expirations.into(), Relaxed);
            return None;
        }
        slot.thread.store(thread, Relaxed);
        slot.expirations.store(expirations, Relaxed);
        Some(Writing { slot, depth: 0, label_bytes: 0 })
    }

    /// Gives everything that is ready and was claimed since `seen`; returns what to pass the next time.
    pub(crate) fn drain(&self, seen: usize, mut take: impl FnMut(Taken)) -> usize {
        let end = self.tickets.load(Acquire);
        let pending = end.wrapping_sub(seen).min(self.slots.len());
        let mut unfinished = None;
        for ticket in (0..pending).map(|back| end.wrapping_sub(pending - back)) {
            match self.slot(ticket).and_then(Slot::take) {
                Some(taken) => take(taken),
                None if self.is_being_written(ticket) => unfinished = unfinished.or(Some(ticket)),
                None => {}
            }
        }
        unfinished.unwrap_or(end)
    }

    /// Gives what is ready in any slot, however late its writer was.
    pub(crate) fn drain_all(&self, take: impl FnMut(Taken)) {
        self.slots.iter().filter_map(Slot::take).for_each(take);
    }

    /// Forgets what is there, and that anybody is writing: for a fork, whose parent's writers do not exist in it.
    pub(crate) fn reset(&self) {
        self.slots.iter().for_each(|slot| slot.state.store(FREE, Relaxed));
        self.lost.store(0, Relaxed);
    }

    /// The ticket that the next sample gets.
    pub(crate) fn next_ticket(&self) -> usize {
        self.tickets.load(Acquire)
    }

    /// The expirations lost since it was asked the last time.
    pub(crate) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Relaxed)
    }

    fn slot(&self, ticket: usize) -> Option<&Slot> {
        self.slots.get(ticket % self.slots.len())
    }

    fn is_being_written(&self, ticket: usize) -> bool {
        self.slot(ticket).is_some_and(|slot| slot.state.load(Relaxed) == WRITING)
    }
}

impl Slot {
    fn new() -> Self {
        Self {
            state: AtomicU8::new(FREE),
            thread: AtomicI32::new(0),
            expirations: AtomicU32::new(0),
            depth: AtomicUsize::new(0),
            label_bytes: AtomicUsize::new(0),
            pcs: [const { AtomicUsize::new(0) }; MAX_PCS],
            labels: [const { AtomicU8::new(0) }; MAX_ATTRS],
        }
    }

    fn take(&self) -> Option<Taken> {
        if self.state.load(Acquire) != READY {
            return None;
        }
        let depth = self.depth.load(Relaxed);
        let label_bytes = self.label_bytes.load(Relaxed);
        let taken = Taken {
            thread: self.thread.load(Relaxed),
            expirations: self.expirations.load(Relaxed),
            pcs: self.pcs.iter().take(depth).map(|pc| pc.load(Relaxed)).collect(),
            labels: self.labels.iter().take(label_bytes).map(|byte| byte.load(Relaxed)).collect(),
        };
        self.state.store(FREE, Release);
        Some(taken)
    }
}

/// A claimed slot: filled by the handler, seen by nobody until it is published.
pub(crate) struct Writing<'r> {
    slot: &'r Slot,
    depth: usize,
    label_bytes: usize,
}

impl Writing<'_> {
    /// Adds an address; false when there is room for no other.
    pub(crate) fn push(&mut self, pc: usize) -> bool {
        if let Some(place) = self.slot.pcs.get(self.depth) {
            place.store(pc, Relaxed);
            self.depth += 1;
        }
        self.depth < MAX_PCS
    }

    /// Copies the labels; bytes that have no room are left out.
    pub(crate) fn labels(&mut self, labels: &[u8]) {
        self.label_bytes = labels.len().min(MAX_ATTRS);
        for (place, byte) in self.slot.labels.iter().zip(labels) {
            place.store(*byte, Relaxed);
        }
    }

    /// Hands the slot to the reader.
    pub(crate) fn publish(self) {
        self.slot.depth.store(self.depth, Relaxed);
        self.slot.label_bytes.store(self.label_bytes, Relaxed);
        self.slot.state.store(READY, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(ring: &Ring, thread: i32, pcs: &[usize]) -> bool {
        let Some(mut writing) = ring.claim(thread, 1) else { return false };
        for &pc in pcs {
            writing.push(pc);
        }
        writing.publish();
        true
    }

    fn drained(ring: &Ring, seen: &mut usize) -> Vec<Taken> {
        let mut all = Vec::new();
        *seen = ring.drain(*seen, |taken| all.push(taken));
        all
    }

    #[test]
    fn what_is_written_is_read_once_and_in_order() {
        let (ring, mut seen) = (Ring::with_capacity(4), 0);
        for round in 0..10 {
            assert!(write(&ring, round, &[1, 2, 3]));
            assert!(write(&ring, -round, &[4]));
            let all = drained(&ring, &mut seen);
            assert_eq!(
                all.iter().map(|taken| (taken.thread, taken.pcs.len())).collect::<Vec<_>>(),
                [(round, 3), (-round, 1)]
            );
            assert!(drained(&ring, &mut seen).is_empty());
        }
        assert_eq!(ring.take_lost(), 0);
    }

    #[test]
    fn a_full_ring_loses_the_newest_and_counts_their_expirations() {
        let (ring, mut seen) = (Ring::with_capacity(2), 0);
        assert!(write(&ring, 1, &[]) && write(&ring, 2, &[]));
        assert!(ring.claim(3, 7).is_none());
        assert_eq!(ring.take_lost(), 7);
        let mut kept: Vec<_> = drained(&ring, &mut seen).iter().map(|taken| taken.thread).collect();
        kept.sort();
        assert_eq!(kept, [1, 2]);
        assert!(write(&ring, 4, &[]));
        assert_eq!(drained(&ring, &mut seen).len(), 1);
    }

    #[test]
    fn a_slot_whose_writer_is_delayed_blocks_nobody_and_is_read_when_it_is_done() {
        let (ring, mut seen) = (Ring::with_capacity(4), 0);
        let delayed = ring.claim(1, 1).expect("a free ring");
        assert!(write(&ring, 2, &[]));
        assert_eq!(drained(&ring, &mut seen).iter().map(|taken| taken.thread).collect::<Vec<_>>(), [2]);
        delayed.publish();
        assert_eq!(drained(&ring, &mut seen).iter().map(|taken| taken.thread).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn more_addresses_and_labels_than_there_is_room_for_are_left_out() {
        let (ring, mut seen) = (Ring::with_capacity(1), 0);
        let mut writing = ring.claim(1, 1).expect("a free ring");
        assert_eq!((0..MAX_PCS + 10).take_while(|&pc| writing.push(pc)).count(), MAX_PCS - 1);
        writing.labels(&[b' '; 1000]);
        writing.publish();
        let all = drained(&ring, &mut seen);
        assert_eq!((all[0].pcs.len(), all[0].labels.len()), (MAX_PCS, MAX_ATTRS));
    }

    #[test]
    fn every_sample_of_many_writers_is_read_whole_or_counted_as_lost() {
        const EACH: usize = if cfg!(miri) { 60 } else { 20_000 };
        let ring = Ring::with_capacity(8);
        let (mut seen, mut read) = (0, 0);
        let mut check = |taken: Taken| {
            assert!(taken.pcs.iter().all(|&pc| pc == taken.thread as usize), "torn: {taken:?}");
            read += 1;
        };
        std::thread::scope(|scope| {
            let writers: Vec<_> = (1..4)
                .map(|id| {
                    scope.spawn({
                        let ring = &ring;
                        move || {
                            (0..EACH).for_each(|_| {
                                write(ring, id, &[id as usize; 5]);
                            })
                        }
                    })
                })
                .collect();
            while !writers.iter().all(|writer| writer.is_finished()) {
                seen = ring.drain(seen, &mut check);
                std::thread::yield_now();
            }
        });
        ring.drain_all(&mut check);
        assert_eq!(read + ring.take_lost() as usize, 3 * EACH);
    }

    #[test]
    fn a_reset_ring_is_free_again() {
        let ring = Ring::with_capacity(1);
        assert!(ring.claim(1, 1).is_some(), "and never published");
        assert!(ring.claim(2, 1).is_none());
        ring.reset();
        assert!(ring.claim(3, 1).is_some());
        assert_eq!(ring.take_lost(), 0);
    }
}
