//! Owns the wheel of timers: adding and removing one is a link in a list, whatever their number.
//!
//! Two levels of 4 096 slots ("Hashed and Hierarchical Timing Wheels", Varghese and Lauck, SOSP 1987, scheme 7): the first has a slot
//! for each millisecond of the next four seconds, the second one for each four seconds of the next four and a half hours.
//! What is further away waits in the second's last slot and is sorted anew when that comes up. A removed timer is gone at
//! once, however far its moment was: a client cannot fill the memory with deadlines of requests it gave up.

use std::time::{Duration, Instant};

use slab::Slab;

/// Slots of one level.
const SLOTS: usize = 4096;
const TURN: u64 = SLOTS as u64;
const WORD: usize = u64::BITS as usize;
const WORDS: usize = SLOTS / WORD;
const NONE: u32 = u32::MAX;

/// Where a timer is. Places are used again, numbers are not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    place: u32,
    number: u64,
}

struct Timer<T> {
    number: u64,
    at: Instant,
    /// Both levels' slots are counted through.
    slot: u16,
    before: u32,
    after: u32,
    what: T,
}

pub(crate) struct Wheel<T> {
    start: Option<Instant>,
    /// The millisecond up to which everything has gone off. Timers of it, or of earlier ones, may be added still.
    cursor: u64,
    timers: Slab<Timer<T>>,
    first: [u32; 2 * SLOTS],
    /// A bit for each slot that is not empty.
    filled: [u64; 2 * WORDS],
    next_number: u64,
}

impl<T> Wheel<T> {
    pub(crate) const fn new() -> Self {
        Wheel {
            start: None,
            cursor: 0,
            timers: Slab::new(),
            first: [NONE; 2 * SLOTS],
            filled: [0; 2 * WORDS],
            next_number: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.timers.len()
    }

    /// Milliseconds since the wheel's start, rounded up: a timer is never early.
    fn tick(&mut self, at: Instant) -> u64 {
        let start = *self.start.get_or_insert(at);
        at.saturating_duration_since(start).as_nanos().div_ceil(1_000_000) as u64
    }

    pub(crate) fn add(&mut self, at: Instant, what: T) -> Key {
        let number = self.next_number;
        self.next_number += 1;
        let place = self.timers.insert(Timer { number, at, slot: 0, before: NONE, after: NONE, what }) as u32;
        self.link(place, at);
        Key { place, number }
    }

    fn link(&mut self, place: u32, at: Instant) {
        let tick = self.tick(at).max(self.cursor);
        let slot = if tick - self.cursor < TURN {
            (tick % TURN) as usize
        } else {
            let turns = (tick / TURN).min(self.cursor / TURN + TURN - 1);
            SLOTS + (turns % TURN) as usize
        };
        let after = self.first[slot];
        if let Some(after) = self.timers.get_mut(after as usize) {
            after.before = place;
        }
        let timer = &mut self.timers[place as usize];
        (timer.slot, timer.before, timer.after) = (slot as u16, NONE, after);
        self.first[slot] = place;
        self.filled[slot / WORD] |= 1 << (slot % WORD);
    }

    fn unlink(&mut self, place: u32) {
        let Timer { slot, before, after, .. } = self.timers[place as usize];
        if let Some(after) = self.timers.get_mut(after as usize) {
            after.before = before;
        }
        if let Some(before) = self.timers.get_mut(before as usize) {
            before.after = after;
            return;
        }
        let slot = usize::from(slot);
        self.first[slot] = after;
        if after == NONE {
            self.filled[slot / WORD] &= !(1 << (slot % WORD));
        }
    }

    /// Gives back what was to happen; `None` if it has.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.timers.get(key.place as usize).filter(|timer| timer.number == key.number)?;
        Some(self.take(key.place))
    }

    fn take(&mut self, place: u32) -> T {
        self.unlink(place);
        self.timers.remove(place as usize).what
    }

    /// Takes out everything that is due.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<T> {
        let end = self.tick(now);
        let mut due = Vec::new();
        while self.cursor <= end {
            if self.timers.is_empty() {
                self.cursor = end;
            }
            let last = end.min(self.cursor | (TURN - 1));
            for tick in self.filled(0, self.cursor, last) {
                for place in self.of_slot((tick % TURN) as usize) {
                    if self.timers[place as usize].at <= now {
                        due.push(self.take(place));
                    }
                }
            }
            self.cursor = last;
            if last == end {
                break;
            }
            self.cursor += 1;
            self.sort_turn();
        }
        due
    }

    /// Sorts the timers of the turn that begins into its milliseconds.
    fn sort_turn(&mut self) {
        for place in self.of_slot(SLOTS + (self.cursor / TURN % TURN) as usize) {
            self.unlink(place);
            let at = self.timers[place as usize].at;
            self.link(place, at);
        }
    }

    /// The moment of the earliest timer, or an earlier one at which timers are to be sorted; `None` if there is none.
    pub(crate) fn next(&self) -> Option<Instant> {
        let (start, cursor) = (self.start?, self.cursor);
        if let Some(tick) = self.filled(0, cursor, cursor + TURN - 1).first() {
            return self.of_slot((tick % TURN) as usize).iter().map(|place| self.timers[*place as usize].at).min();
        }
        let turn = cursor / TURN;
        let turn = *self.filled(SLOTS, turn, turn + TURN - 1).first()?;
        Some(start + Duration::from_millis(turn * TURN))
    }

    fn of_slot(&self, slot: usize) -> Vec<u32> {
        let first = Some(self.first[slot]).filter(|place| *place != NONE);
        std::iter::successors(first, |place| Some(self.timers[*place as usize].after).filter(|place| *place != NONE))
            .collect()
    }

    /// Which of the numbers `from..=to` (a turn at most) have a filled slot, in a level that begins at `base`.
    fn filled(&self, base: usize, from: u64, to: u64) -> Vec<u64> {
        let mut filled = Vec::new();
        let mut number = from;
        while number <= to {
            let slot = base + (number % TURN) as usize;
            let ahead = self.filled[slot / WORD] >> (slot % WORD);
            if ahead == 0 {
                number += (WORD - slot % WORD) as u64;
                continue;
            }
            number += u64::from(ahead.trailing_zeros());
            if number <= to {
                filled.push(number);
            }
            number += 1;
        }
        filled
    }
}
