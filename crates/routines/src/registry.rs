//! Owns the records of live routines: one per routine, in shards, read by dumps without stopping anyone.
//!
//! A record is written by its routine and read by anyone. What changes at every poll is one word with a single
//! writer; the rest sits behind the record's own lock, which only a dump ever contends. Ended records are kept by the
//! thread they ended on, up to [`SPARE`], still registered but vacant, so that a steady spawn rate allocates nothing
//! and takes no shard lock. Beyond that they are freed: memory goes back after a burst.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use triomphe::Arc;

use crate::clock;
use crate::context::Published;
use crate::table::Table;
use crate::timing::Busy;

/// Vacant records kept per thread: enough for a burst of spawns between two joins, 8 KB at most.
const SPARE: usize = 64;

/// Enough that a dump which holds one lock stops one in 64 of those spawns that need a new record.
const SHARDS: usize = 64;

/// The beat of a routine whose polls nobody counts.
pub(crate) const UNCOUNTED: u64 = u64::MAX - 1;

/// What kind of execution a routine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "dump", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Kind {
    /// An OS thread.
    Thread,
    /// An async task.
    Task,
    /// A closure handed to a pool: a blocking job, a bound closure.
    Job,
    /// A stackful coroutine.
    Coroutine,
}

impl Kind {
    pub(crate) const ALL: [(Kind, &'static str); 4] =
        [(Kind::Thread, "thread"), (Kind::Task, "task"), (Kind::Job, "job"), (Kind::Coroutine, "coroutine")];
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = Kind::ALL.iter().find(|(kind, _)| kind == self).map_or("routine", |(_, name)| name);
        f.pad(name)
    }
}

/// Where a routine comes from.
#[derive(Clone)]
pub(crate) struct Birth {
    pub(crate) parent: u64,
    pub(crate) kind: Kind,
    pub(crate) location: Option<&'static Location<'static>>,
    pub(crate) name: Option<Name>,
}

/// A routine's name behind one word: few have one, and every record has room for it.
#[derive(Clone, Debug)]
pub(crate) struct Name(Box<Box<str>>);

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Name(Box::new(name.into()))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        String::from(*name.0)
    }
}

/// What others may know about a routine. A vacant one (`id` 0) waits to be used again.
pub(crate) struct Record {
    id: AtomicU64,
    /// Twice the number of polls begun, less one while running: odd is running. Written by the owner alone.
    beat: AtomicU64,
    pub(crate) busy: Busy,
    place: AtomicU32,
    shard: AtomicU32,
    /// Whether the lock has to be taken at the end to free what the record holds.
    laden: AtomicBool,
    info: Mutex<Info>,
}

pub(crate) struct Info {
    pub(crate) birth: Birth,
    pub(crate) started: u64,
    pub(crate) published: Published,
    /// The low half of the beat some dump saw last, and since when in milliseconds (0: never seen): Go tells waiting times the
    /// same way (`waitsince`). Both wrap, after four billion polls and seven weeks.
    pub(crate) seen: (u32, u32),
}

static REGISTRY: [Mutex<Vec<Arc<Record>>>; SHARDS] = [const { Mutex::new(Vec::new()) }; SHARDS];
static NEXT_SHARD: AtomicU32 = AtomicU32::new(0);

fn shard(number: u32) -> MutexGuard<'static, Vec<Arc<Record>>> {
    REGISTRY[number as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
}

impl Record {
    pub(crate) fn id(&self) -> u64 {
        self.id.load(Ordering::Relaxed)
    }

    pub(crate) fn beat(&self) -> u64 {
        self.beat.load(Ordering::Relaxed)
    }

    pub(crate) fn info(&self) -> MutexGuard<'_, Info> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The routine and the named values it shows, of one moment.
    pub(crate) fn shown(&self) -> (u64, Published) {
        let info = self.info();
        (self.id(), info.published.clone())
    }

    /// Makes a vacant record somebody's.
    #[inline]
    fn fill(&self, id: u64, birth: Birth, published: Published) {
        let laden = birth.name.is_some() || !published.is_nothing();
        let mut info = self.info();
        info.birth = birth;
        info.started = clock::now();
        info.published = published;
        info.seen = (0, 0);
        self.laden.store(laden, Ordering::Relaxed);
        self.beat.store(0, Ordering::Relaxed);
        self.busy.reset();
        self.id.store(id, Ordering::Relaxed);
    }

    fn register(id: u64, birth: Birth, published: Published) -> Arc<Record> {
        let number = NEXT_SHARD.fetch_add(1, Ordering::Relaxed);
        let empty = Birth { parent: 0, kind: Kind::Thread, location: None, name: None };
        let info = Info { birth: empty, started: 0, published: Published::NOTHING, seen: (0, 0) };
        let record = Arc::new(Record {
            id: AtomicU64::new(0),
            beat: AtomicU64::new(0),
            busy: Busy::new(),
            place: AtomicU32::new(0),
            shard: AtomicU32::new(number),
            laden: AtomicBool::new(false),
            info: Mutex::new(info),
        });
        record.fill(id, birth, published);
        let mut records = shard(number);
        record.place.store(records.len() as u32, Ordering::Relaxed);
        records.push(record.clone());
        record
    }

    fn unregister(&self) {
        let mut records = shard(self.shard.load(Ordering::Relaxed));
        let place = self.place.load(Ordering::Relaxed) as usize;
        let gone = records.swap_remove(place);
        if let Some(moved) = records.get(place) {
            moved.place.store(place as u32, Ordering::Relaxed);
        }
        if records.len() * 4 < records.capacity() {
            let room = records.len() * 2;
            records.shrink_to(room);
        }
        drop(records);
        drop(gone);
    }
}

/// Ownership of a live routine's record: the routine is listed from `start` to `end`.
pub(crate) struct Live(Arc<Record>);

/// Records a thread keeps for its next routines.
pub(crate) type Spare = Vec<Arc<Record>>;

impl Live {
    /// Lists a new routine.
    #[inline]
    pub(crate) fn start(spare: Option<Arc<Record>>, id: u64, birth: Birth, published: Published) -> Live {
        match spare {
            Some(record) => {
                record.fill(id, birth, published);
                Live(record)
            }
            None => Live(Record::register(id, birth, published)),
        }
    }

    /// Unlists the routine. What its record held is returned, to be dropped outside every lock.
    #[inline]
    pub(crate) fn end(self, spare: Option<&mut Spare>) -> Option<(Published, Option<Name>)> {
        self.0.id.store(0, Ordering::Relaxed);
        let held = self.0.laden.load(Ordering::Relaxed).then(|| {
            let mut info = self.0.info();
            (std::mem::take(&mut info.published), info.birth.name.take())
        });
        match spare {
            Some(spare) if spare.len() < SPARE => spare.push(self.0),
            _ => self.0.unregister(),
        }
        held
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id()
    }

    pub(crate) fn record(&self) -> Arc<Record> {
        self.0.clone()
    }

    /// Counts the beginning of a poll.
    #[inline]
    pub(crate) fn running(&self) {
        // Not a read-modify-write: the owner is the only writer.
        self.0.beat.store(self.0.beat.load(Ordering::Relaxed) | 1, Ordering::Relaxed);
        self.0.busy.begin();
    }

    /// Says that nobody will tell when it runs.
    pub(crate) fn uncounted(&self) {
        self.0.beat.store(UNCOUNTED, Ordering::Relaxed);
    }

    /// Counts the end of a poll.
    #[inline]
    pub(crate) fn idle(&self) {
        self.0.busy.end();
        self.0.beat.store((self.0.beat.load(Ordering::Relaxed) | 1) + 1, Ordering::Relaxed);
    }

    /// Lets `change` exchange one half of what the record shows, under the record's lock.
    #[inline]
    pub(crate) fn publish<R>(&self, never: bool, change: impl FnOnce(&mut Option<Table>) -> R) -> R {
        let mut info = self.0.info();
        let result = change(&mut info.published.0[usize::from(never)]);
        self.0.laden.store(true, Ordering::Relaxed);
        result
    }

    /// Shows `published`; returns what was shown before.
    pub(crate) fn publish_all(&self, published: Published) -> Published {
        self.0.laden.store(true, Ordering::Relaxed);
        std::mem::replace(&mut self.0.info().published, published)
    }

    pub(crate) fn rename(&self, name: Option<Name>) -> Option<Name> {
        self.0.laden.store(true, Ordering::Relaxed);
        std::mem::replace(&mut self.0.info().birth.name, name)
    }
}

/// Frees records a dying thread kept.
pub(crate) fn release(spare: Spare) {
    spare.iter().for_each(|record| record.unregister());
}

/// How many records there are, with room for those that come while they are copied: a list that grew under a shard's lock
/// would stop spawns for as long as copying the list takes.
fn room() -> usize {
    let records: usize = (0..SHARDS as u32).map(|number| shard(number).len()).sum();
    records + records / 8 + SHARDS
}

/// The ids of all live routines: locks one shard at a time, and copies nothing but ids.
pub(crate) fn ids() -> Vec<u64> {
    let mut ids = Vec::with_capacity(room());
    for number in 0..SHARDS as u32 {
        ids.extend(shard(number).iter().map(|record| record.id()).filter(|id| *id != 0));
    }
    ids
}

/// The record of the live routine of this id: locks one shard at a time.
pub(crate) fn record(id: u64) -> Option<Arc<Record>> {
    (0..SHARDS as u32).find_map(|number| shard(number).iter().find(|record| record.id() == id).cloned())
}

/// The records of all live routines.
pub(crate) fn records() -> Vec<Arc<Record>> {
    let mut all = Vec::with_capacity(room());
    for number in 0..SHARDS as u32 {
        all.extend(shard(number).iter().filter(|record| record.id() != 0).cloned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_fits_the_budget() {
        // With its reference count and its place in the shard.
        assert!(size_of::<Record>() + 2 * size_of::<usize>() <= 128, "{}", size_of::<Record>());
    }
}
