//! Owns the answer to "why is this still in memory": which routines hold a value or a context, and through what.
//!
//! A context lives as long as anything that captured it: a routine, a [`Snapshot`](routines::Snapshot) in a cache, a
//! callback that was bound, a message nobody took. [`by_value`] asks by what a named value shows, [`of`] for one very
//! value, and a [`Watch`] writes down every capture of a context, so that also those are told that no routine shows.
//!
//! ```
//! use routines::{Local, Snapshot};
//! use routines_inspect::held;
//!
//! static REQUEST_ID: Local<&str> = Local::new().named("request_id");
//!
//! let (watch, forgotten) = REQUEST_ID.sync_scope("req-7", || (held::watch(), Snapshot::capture()));
//! let held = watch.held();
//! assert!(held.routines().is_empty());
//! assert_eq!(held.stored()[0].by, routines::id());
//! drop(forgotten);
//! assert!(!watch.held().is_alive());
//! ```

mod watch;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Weak};

use routines::{Local, NamedValue, RoutineId, RoutineInfo};

pub use watch::{Watch, watch};

/// Who holds it.
#[derive(Debug, Default)]
pub struct Held {
    alive: bool,
    routines: Vec<Holder>,
    stored: Vec<Stored>,
}

/// A live routine that shows it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Holder {
    /// The routine.
    pub routine: RoutineInfo,
    /// Where it has it from.
    pub through: Through,
}

/// Where a routine has a value or a context from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Through {
    /// From its parent, when it was started.
    Parent(RoutineId),
    /// It was started by this routine, which has ended: from that, or by a scope of its own.
    Ended(RoutineId),
    /// It set it, or is in a scope of its own.
    Itself,
    /// It is in the scope of a snapshot, or of a closure, that this routine captured.
    Captured(RoutineId),
}

impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Through::Parent(id) => write!(f, "inherited from its parent {id}"),
            Through::Ended(id) => write!(f, "inherited from {id}, which has ended, or set by itself"),
            Through::Itself => f.write_str("set by itself"),
            Through::Captured(id) => write!(f, "in a scope of what {id} captured"),
        }
    }
}

/// A captured context that no live routine shows: in a snapshot, a bound closure, a message, a future that was not
/// polled yet, or below an inner scope of the routine that runs with it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stored {
    /// The routine that captured it.
    pub by: RoutineId,
    /// Where, if `RUST_LIB_BACKTRACE` or `RUST_BACKTRACE` asks for backtraces.
    pub backtrace: Arc<Backtrace>,
}

impl Held {
    /// Whether it is in memory.
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// The live routines that show it, by id.
    pub fn routines(&self) -> &[Holder] {
        &self.routines
    }

    /// What else captured it: told by a [`Watch`], empty otherwise.
    pub fn stored(&self) -> &[Stored] {
        &self.stored
    }
}

/// Tells each holder in the shape of [`routines::dump`], followed by where it has it from.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Holder { routine, through } in &self.routines {
            writeln!(f, "{routine}{through}\n")?;
        }
        for stored in &self.stored {
            writeln!(f, "stored, and shown by no routine: captured by routine {}", stored.by)?;
            if stored.backtrace.status() == BacktraceStatus::Captured {
                writeln!(f, "{}", stored.backtrace)?;
            }
        }
        match (self.alive, self.routines.is_empty() && self.stored.is_empty()) {
            (false, _) => writeln!(f, "not held"),
            (true, true) => writeln!(f, "alive, and shown by no routine: in a snapshot, a closure, a message, a guard"),
            (true, false) => Ok(()),
        }
    }
}

/// The live routines that show this named value: as text, the value is `text`.
///
/// Whether one inherited it is told by what its parent shows now. Calls the `Debug` of all values of all live routines,
/// as a dump does; otherwise never panics, and holds no lock meanwhile. Linear in the number of live routines.
///
/// ```
/// use routines::Local;
/// use routines_inspect::held::{self, Through};
///
/// static REQUEST_ID: Local<&str> = Local::new().named("request_id");
///
/// REQUEST_ID.sync_scope("req-7", || {
///     let held = held::by_value("request_id", "req-7");
///     assert_eq!(held.routines()[0].routine.id, routines::id());
///     assert_eq!(held.routines()[0].through, Through::Itself);
/// });
/// ```
pub fn by_value(name: &str, text: &str) -> Held {
    let shows = |info: &RoutineInfo| info.values.iter().any(|(other, value)| other == name && is_text(value, text));
    shown_by(shows)
}

/// The live routines that hold this very value of a key, and whether anything holds it: take the weak reference from
/// [`Local::get_arc`].
///
/// Finds the routines of named and derived keys (see [`Local::holders`]), and values that are not primitives: those are
/// copied and have no identity. The caller's own strong references keep it alive, too. As cheap and safe as
/// [`by_value`].
///
/// ```
/// use std::sync::Arc;
///
/// use routines::{Local, Snapshot};
/// use routines_inspect::held;
///
/// static CART: Local<Vec<u32>> = Local::new().named("cart");
///
/// let (cart, forgotten) = CART.sync_scope(vec![1], || (Arc::downgrade(&CART.get_arc().unwrap()), Snapshot::capture()));
/// assert!(held::of(&CART, &cart).is_alive());
/// drop(forgotten);
/// assert!(!held::of(&CART, &cart).is_alive());
/// ```
pub fn of<T: Send + Sync + 'static>(key: &Local<T>, value: &Weak<T>) -> Held {
    let holders = key.holders();
    let same =
        |(id, held): &(RoutineId, routines::Taken<T>)| std::ptr::eq(&raw const **held, value.as_ptr()).then_some(*id);
    let ids: HashSet<RoutineId> = holders.iter().filter_map(same).collect();
    // What was looked at is not to count as a holder.
    drop(holders);
    let mut held = shown_by(|info| ids.contains(&info.id));
    held.alive = value.strong_count() > 0;
    held
}

fn shown_by(shows: impl Fn(&RoutineInfo) -> bool) -> Held {
    let all = routines::all();
    let alive: HashSet<_> = all.iter().map(|info| info.id).collect();
    let showing: HashSet<_> = all.iter().filter(|info| shows(info)).map(|info| info.id).collect();
    let through = |info: &RoutineInfo| match info.parent {
        Some(parent) if showing.contains(&parent) => Through::Parent(parent),
        Some(parent) if !alive.contains(&parent) => Through::Ended(parent),
        _ => Through::Itself,
    };
    let holders = all.iter().filter(|info| showing.contains(&info.id));
    let routines: Vec<_> = holders.map(|info| Holder { routine: info.clone(), through: through(info) }).collect();
    Held { alive: !routines.is_empty(), routines, stored: Vec::new() }
}

fn is_text(value: &NamedValue, text: &str) -> bool {
    match value {
        NamedValue::Str(value) => value == text,
        NamedValue::Bool(value) => text.parse() == Ok(*value),
        NamedValue::U64(value) => text.parse() == Ok(*value),
        NamedValue::I64(value) => text.parse() == Ok(*value),
        NamedValue::F64(value) => text.parse() == Ok(*value),
        _ => false,
    }
}
