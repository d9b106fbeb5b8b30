//! Owns the public view of routines: the current one, the live ones, and what is known about each.

use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use triomphe::Arc;

use crate::clock;
use crate::id::RoutineId;
use crate::registry::{self, Info, Kind, Name, Record};
use crate::shown::Shown;
use crate::slot;
use crate::snapshot::show_each;

/// The current routine's id.
///
/// At any point of any code exactly one routine is current. In an async task that was started without a context of its
/// own the id is *foreign*: made from the runtime's own task id, stable for the task's life, not in [`ids`]; see
/// [`try_id`].
///
/// One thread-local load and one predictable branch, unless a runtime's task probe is registered.
///
/// ```
/// assert_eq!(routines::id(), routines::id());
/// assert_ne!(routines::id(), routines::thread::spawn(routines::id).join().unwrap());
/// ```
#[inline]
pub fn id() -> RoutineId {
    slot::id()
}

/// The current routine's id, or `None` in a task that was started without a context of its own.
#[inline]
pub fn try_id() -> Option<RoutineId> {
    Some(slot::id()).filter(|id| !id.is_foreign())
}

/// A handle to the current routine.
///
/// ```
/// let me = routines::current();
/// assert_eq!(me.id(), routines::id());
/// assert_eq!(me.info().unwrap().state, routines::State::Running);
/// ```
pub fn current() -> Routine {
    Routine { id: slot::id(), record: slot::record() }
}

/// The ids of all live routines, in no particular order.
///
/// A copy of what was live at some moment during the call, which stops nobody: it locks one of the registry's shards at a
/// time, and starting a routine rarely needs one.
///
/// ```
/// assert!(routines::ids().contains(&routines::id()));
/// ```
pub fn ids() -> Vec<RoutineId> {
    let _touch = slot::id();
    registry::ids().into_iter().filter_map(RoutineId::from_u64).collect()
}

/// What is known about every live routine, by id.
pub fn all() -> Vec<RoutineInfo> {
    let _touch = slot::id();
    // One moment for all, so that ages can be compared.
    let now = clock::now();
    let mut all: Vec<_> = registry::records().iter().filter_map(|record| describe(record, record.id(), now)).collect();
    all.sort_by_key(|info| info.id);
    all
}

/// Visits the named values bound here, in the order their keys were first used: for loggers.
///
/// Never panics and never blocks by itself, also in panic hooks and at thread exit (where the values may be gone). Nothing is
/// lent out while `visit` runs. Two keys of one name are both visited.
pub fn for_each_named(mut visit: impl FnMut(&'static str, Shown<'_>)) {
    slot::published().each_named(&mut |name, meta, value| {
        if !meta.traits.unlogged {
            (meta.show)(value, &mut |shown| visit(name, shown));
        }
    });
}

/// A handle to a routine, which it does not keep alive.
#[derive(Clone)]
pub struct Routine {
    id: RoutineId,
    record: Option<Arc<Record>>,
}

impl Routine {
    pub(crate) fn of(id: RoutineId, record: Arc<Record>) -> Routine {
        Routine { id, record: Some(record) }
    }

    /// Its id.
    pub fn id(&self) -> RoutineId {
        self.id
    }

    /// Its name, if it has one and lives.
    pub fn name(&self) -> Option<String> {
        self.info()?.name
    }

    /// Its state; `Done` also for a foreign routine, of which nothing is known.
    pub fn state(&self) -> State {
        match &self.record {
            Some(record) if record.id() == self.id.as_u64() => State::of(record.beat()),
            _ => State::Done,
        }
    }

    /// What is known about it, or `None` once it has ended.
    pub fn info(&self) -> Option<RoutineInfo> {
        describe(self.record.as_deref()?, self.id.as_u64(), clock::now())
    }
}

impl fmt::Debug for Routine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routine").field("id", &self.id).field("state", &self.state()).finish()
    }
}

/// Names the current routine in dumps; `false` in a task without a context of its own, which has no entry there.
///
/// ```
/// assert!(routines::set_name("importer"));
/// assert_eq!(routines::current().name().as_deref(), Some("importer"));
/// ```
pub fn set_name(name: impl AsRef<str>) -> bool {
    slot::rename(Some(Name::from(name.as_ref())))
}

/// What a routine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "dump", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum State {
    /// On a thread now. A thread is always running: what the operating system does with it is not known here.
    Running,
    /// Waiting to be polled.
    Idle,
    /// Running or waiting: a task that was spawned without a wrapper, whose polls nobody counts.
    Alive,
    /// Ended.
    Done,
}

impl State {
    pub(crate) const ALL: [(State, &'static str); 4] =
        [(State::Running, "running"), (State::Idle, "idle"), (State::Alive, "alive"), (State::Done, "done")];

    fn of(beat: u64) -> State {
        match beat {
            registry::UNCOUNTED => State::Alive,
            beat if beat % 2 == 1 => State::Running,
            _ => State::Idle,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(State::ALL.iter().find(|(state, _)| state == self).map_or("unknown", |(_, name)| name))
    }
}

/// A named value as text or number, copied out of a routine.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "dump", derive(serde::Serialize, serde::Deserialize), serde(untagged))]
#[non_exhaustive]
pub enum NamedValue {
    /// A truth value.
    Bool(bool),
    /// An unsigned integer.
    U64(u64),
    /// A signed integer.
    I64(i64),
    /// A finite number.
    F64(f64),
    /// Text: a string, or what the value's `Debug` or `Display` wrote.
    Str(String),
}

impl From<Shown<'_>> for NamedValue {
    fn from(shown: Shown<'_>) -> Self {
        match shown {
            Shown::Bool(v) => NamedValue::Bool(v),
            Shown::U64(v) => NamedValue::U64(v),
            Shown::I64(v) if v >= 0 => NamedValue::U64(v.unsigned_abs()),
            Shown::I64(v) => NamedValue::I64(v),
            Shown::F64(v) if v.is_finite() => NamedValue::F64(v),
            other => NamedValue::Str(text(other)),
        }
    }
}

/// What a value's own `Debug` or `Display` writes; one that fails or panics must not take the dump down with it.
fn text(shown: Shown<'_>) -> String {
    let mut text = String::new();
    let write = AssertUnwindSafe(|| write!(text, "{shown}").is_ok());
    match catch_unwind(write) {
        Ok(true) => text,
        Ok(false) | Err(_) => "<unprintable>".to_owned(),
    }
}

/// What is known about a live routine.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "dump", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RoutineInfo {
    /// Its id.
    pub id: RoutineId,
    /// The routine that started it; `None` for threads nobody started through this crate.
    pub parent: Option<RoutineId>,
    /// Thread, task, job or coroutine.
    pub kind: Kind,
    /// Its name.
    pub name: Option<String>,
    /// The line that started it, as `file:line`.
    pub spawned_at: Option<String>,
    /// Running or idle.
    pub state: State,
    /// How long it has certainly been idle: since some dump first saw it so. `None` if this is the first to see it.
    #[cfg_attr(feature = "dump", serde(rename = "idle_ms", with = "crate::json::maybe_millis"))]
    pub idle: Option<Duration>,
    /// How long ago it was started, to a few milliseconds.
    #[cfg_attr(feature = "dump", serde(rename = "age_ms", with = "crate::json::millis"))]
    pub age: Duration,
    /// How many polls of it began; 0 if nobody counts them ([`State::Alive`]).
    pub polls: u64,
    /// How long its polls took, of those that were timed: while a [`Timing`](crate::Timing) lives. `None` if none was.
    #[cfg_attr(feature = "dump", serde(rename = "busy_us", with = "crate::json::maybe_micros", default))]
    pub busy: Option<Duration>,
    /// Its named values: those of the innermost scope it entered last.
    #[cfg_attr(feature = "dump", serde(with = "crate::json::object"))]
    pub values: Vec<(String, NamedValue)>,
}

/// How long the routine has certainly been at this beat, and remembers that it was seen there.
fn observe(info: &mut Info, beat: u64, now: u64) -> Option<Duration> {
    let millis = (now / 1_000_000) as u32 | 1;
    let (seen, since) = std::mem::replace(&mut info.seen, (beat as u32, millis));
    if beat == 0 {
        return Some(Duration::from_nanos(now.saturating_sub(info.started)));
    }
    let known = seen == beat as u32 && since != 0;
    known.then(|| {
        info.seen.1 = since;
        Duration::from_millis(millis.wrapping_sub(since).into())
    })
}

fn describe(record: &Record, id: u64, now: u64) -> Option<RoutineInfo> {
    let (birth, published, started, beat, idle, busy) = {
        let mut info = record.info();
        let beat = record.beat();
        if record.id() != id || id == 0 {
            return None;
        }
        let idle = observe(&mut info, beat, now);
        (info.birth.clone(), info.published.clone(), info.started, beat, idle, record.busy.sum())
    };
    let state = State::of(beat);
    let mut values = Vec::new();
    // The lock is free: a value's own `Debug` runs here.
    show_each(published.current(), &mut |name, shown| values.push((name.to_owned(), shown.into())));
    Some(RoutineInfo {
        id: RoutineId::from_u64(id)?,
        parent: RoutineId::from_u64(birth.parent),
        kind: birth.kind,
        name: birth.name.map(String::from),
        spawned_at: birth.location.map(|at| format!("{}:{}", at.file(), at.line())),
        state,
        idle: idle.filter(|_| state == State::Idle),
        age: Duration::from_nanos(now.saturating_sub(started)),
        polls: if state == State::Alive { 0 } else { beat.div_ceil(2) },
        busy: busy.filter(|_| birth.kind != Kind::Thread),
        values,
    })
}
