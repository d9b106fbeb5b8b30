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
        // Not the timer's moment: all that come before the start are one slot's.
        let start = *self.start.get_or_insert_with(Instant::now);
        let since = at.saturating_duration_since(start);
        let millis = since.subsec_nanos().div_ceil(1_000_000);
        since.as_secs().saturating_mul(1_000).saturating_add(millis.into())
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
        while let Some(tick) = self.next_tick().filter(|tick| *tick <= end) {
            self.cursor = tick;
            self.sort_turn();
            for place in self.of_slot((tick % TURN) as usize) {
                if self.timers[place as usize].at <= now {
                    due.push(self.take(place));
                }
            }
            // What is left in the last one is due within the millisecond.
            if tick == end {
                break;
            }
        }
        self.cursor = self.cursor.max(end);
        due
    }

    /// Sorts the timers of the turn into its milliseconds, if it begins.
    fn sort_turn(&mut self) {
        if !self.cursor.is_multiple_of(TURN) {
            return;
        }
        for place in self.of_slot(SLOTS + (self.cursor / TURN % TURN) as usize) {
            self.unlink(place);
            let at = self.timers[place as usize].at;
            self.link(place, at);
        }
    }

    /// The moment of the earliest timer, or an earlier one at which timers are to be sorted; `None` if there is none.
    pub(crate) fn next(&self) -> Option<Instant> {
        let tick = self.next_tick()?;
        let first = self.of_slot((tick % TURN) as usize).iter().map(|place| self.timers[*place as usize].at).min();
        first.or_else(|| self.start?.checked_add(Duration::from_millis(tick)))
    }

    /// The next millisecond with timers, or at which a turn with timers begins.
    fn next_tick(&self) -> Option<u64> {
        let turn = self.cursor / TURN;
        let near = self.next_filled(0, self.cursor);
        // The turn that has begun is sorted: what is in its slot is a turn of all slots away.
        let far = self.next_filled(SLOTS, turn + 1).map(|turn| turn * TURN);
        near.into_iter().chain(far).min()
    }

    fn of_slot(&self, slot: usize) -> Vec<u32> {
        let first = Some(self.first[slot]).filter(|place| *place != NONE);
        std::iter::successors(first, |place| Some(self.timers[*place as usize].after).filter(|place| *place != NONE))
            .collect()
    }

    /// The first number from `from` on that has a filled slot, in a level that begins at `base`.
    fn next_filled(&self, base: usize, from: u64) -> Option<u64> {
        let mut number = from;
        while number < from + TURN {
            let slot = base + (number % TURN) as usize;
            let ahead = self.filled[slot / WORD] >> (slot % WORD);
            if ahead != 0 {
                return Some(number + u64::from(ahead.trailing_zeros()));
            }
            number += (WORD - slot % WORD) as u64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    //! Against an oracle, with a simulated clock: no test waits.

    use std::collections::BTreeMap;

    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    /// A wheel and what it should hold: moments and numbers, in order.
    struct Pair {
        wheel: Wheel<u64>,
        expected: BTreeMap<(Instant, u64), Key>,
        now: Instant,
        count: u64,
    }

    impl Pair {
        /// Its clock begins well after the machine's: moments before its beginning exist.
        fn new() -> Pair {
            let now = Instant::now() + Duration::from_secs(100_000);
            Pair { wheel: Wheel::new(), expected: BTreeMap::new(), now, count: 0 }
        }

        fn add(&mut self, at: Instant) {
            let key = self.wheel.add(at, self.count);
            self.expected.insert((at, self.count), key);
            self.count += 1;
        }

        fn remove(&mut self, which: usize) {
            if let Some((&entry, &key)) = self.expected.iter().nth(which) {
                self.expected.remove(&entry);
                assert_eq!(self.wheel.remove(key), Some(entry.1));
                assert_eq!(self.wheel.remove(key), None, "it is gone");
            }
        }

        /// Wakes as the thread would, whenever the wheel says; nothing may be late by more than a millisecond, nothing early.
        fn sleep(&mut self, time: Duration) {
            let end = self.now + time;
            for _ in 0..100_000 {
                let next = self.wheel.next();
                let earliest = self.expected.keys().next().map(|(at, _)| *at);
                assert_eq!(next.is_some(), earliest.is_some());
                assert!(next.unwrap_or(end) <= earliest.map_or(end, |at| at + MILLI));
                match next {
                    Some(next) if next <= end => self.wake(next.max(self.now)),
                    _ => return self.wake(end),
                }
            }
            panic!("the thread never rests");
        }

        fn wake(&mut self, now: Instant) {
            self.now = now;
            let mut due = self.wheel.due(now);
            let later = self.expected.split_off(&(now, u64::MAX));
            let mut expected: Vec<_> =
                std::mem::replace(&mut self.expected, later).into_keys().map(|(_, n)| n).collect();
            due.sort_unstable();
            expected.sort_unstable();
            assert_eq!(due, expected);
            assert_eq!(self.wheel.len(), self.expected.len());
        }

        fn end(mut self) {
            self.sleep(Duration::from_secs(40_000));
            assert_eq!((self.wheel.len(), self.expected.len()), (0, 0));
            assert!(self.wheel.filled.iter().all(|word| *word == 0) && self.wheel.next().is_none());
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Of all magnitudes, up to that many nanoseconds; often whole milliseconds, where the borders are.
    fn some_time(random: &mut fastrand::Rng, most: u64) -> Duration {
        let nanos = random.u64(1..=most) >> random.u32(0..40);
        let millis = if random.bool() { 1_000_000 } else { 1 };
        Duration::from_nanos(nanos / millis * millis)
    }

    #[test]
    fn it_agrees_with_a_sorted_list_whatever_happens() {
        let hour = seconds(3600).as_nanos() as u64;
        let rounds = if cfg!(miri) { 3 } else { 300 };
        for seed in 0..rounds {
            let random = &mut fastrand::Rng::with_seed(seed);
            let mut pair = Pair::new();
            for _ in 0..200 {
                match random.u32(0..10) {
                    0 => pair.add(pair.now - some_time(random, 10 * hour)),
                    1..5 => pair.add(pair.now + some_time(random, 10 * hour)),
                    5..7 => pair.remove(random.usize(0..40)),
                    7 => pair.sleep(some_time(random, 5 * hour)),
                    8 => pair.sleep(some_time(random, hour / 1000)),
                    _ => pair.wake(pair.now + some_time(random, 5 * hour)),
                }
            }
            pair.end();
        }
    }

    #[test]
    fn a_timer_of_the_far_level_is_not_late_for_one_of_the_near() {
        let mut pair = Pair::new();
        pair.add(pair.now);
        pair.wake(pair.now);
        // The next turn's: far now, and one behind it that is near by the time it is added.
        pair.add(pair.now + 5_000 * MILLI);
        pair.wake(pair.now + 4_000 * MILLI);
        pair.add(pair.now + 3_000 * MILLI);
        pair.sleep(seconds(10));
        pair.end();
    }

    #[test]
    fn every_border_of_a_level_holds() {
        let turn = TURN * MILLI.as_nanos() as u64;
        let around = |nanos: u64| [nanos - 1_000_000, nanos - 1, nanos, nanos + 1, nanos + 1_000_000];
        let borders: Vec<_> = [turn, 2 * turn, TURN * turn, TURN * turn + turn].into_iter().flat_map(around).collect();
        for step in &borders {
            let mut pair = Pair::new();
            pair.add(pair.now);
            for at in &borders {
                pair.add(pair.now + Duration::from_nanos(*at));
            }
            pair.sleep(Duration::from_nanos(*step));
            for at in &borders {
                pair.add(pair.now + Duration::from_nanos(*at));
            }
            pair.end();
        }
    }

    #[test]
    fn after_a_long_rest_it_goes_on() {
        for rest in [1, 5, 20_000, 10_000_000] {
            let mut pair = Pair::new();
            pair.add(pair.now);
            pair.wake(pair.now);
            pair.now += seconds(rest);
            for after in [0, 1, 5_000, 20_000_000] {
                pair.add(pair.now + after * MILLI);
            }
            pair.end();
        }
    }

    #[test]
    fn a_moment_that_never_comes_holds_up_nothing() {
        let mut pair = Pair::new();
        pair.add(pair.now);
        // More milliseconds than 64 bits tell: those that are left are few.
        pair.add(pair.now + Duration::from_millis(u64::MAX) + 3_000 * MILLI);
        for after in [0, 1, 4_000, 5_000, 20_000_000] {
            pair.add(pair.now + after * MILLI);
            pair.sleep(after * MILLI);
            assert_eq!(pair.wheel.len(), 1);
        }
        pair.remove(0);
        assert_eq!(pair.wheel.len(), 0);
    }

    /// Those of one moment share a slot; those of many do not, whatever came first.
    #[test]
    fn the_first_timer_decides_nothing_for_the_others() {
        let mut wheel = Wheel::new();
        let now = Instant::now();
        wheel.add(now + seconds(3600), 0);
        for millis in 100..200 {
            wheel.add(now + millis * MILLI, 1);
        }
        let most = (0..2 * SLOTS).map(|slot| wheel.of_slot(slot).len()).max();
        assert!(most <= Some(2));
    }

    #[test]
    fn places_are_used_again_and_old_keys_find_nothing() {
        let mut wheel = Wheel::new();
        let far = Instant::now() + seconds(3600);
        let keys: Vec<_> = (0..100).map(|what| wheel.add(far, what)).collect();
        let room = wheel.timers.capacity();
        for key in &keys {
            assert!(wheel.remove(*key).is_some());
        }
        for what in 0..100 {
            wheel.add(far, what);
        }
        assert_eq!(wheel.timers.capacity(), room);
        assert!(keys.iter().all(|key| wheel.remove(*key).is_none()));
        assert_eq!(wheel.len(), 100);
    }
}
