//! Owns the watch over a context: a mark that is inherited with it, and made anew at each capture.

use std::backtrace::Backtrace;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use routines::{Local, RoutineId, RoutineInfo};

use super::{Held, Holder, Stored, Through};

/// The capture that the running code's context is from. Derived: its function runs at each capture, in the routine that
/// captures.
static CAPTURE: Local<Arc<Capture>> = Local::new().derive(|capture| capture.again());

/// One capture of a watched context; alive as long as that is.
struct Capture {
    watched: Arc<Watched>,
    by: RoutineId,
    backtrace: Arc<Backtrace>,
    /// Whether it is the watch's own and not a capture.
    first: bool,
    /// That of a watch which was there before this one.
    outer: Option<Arc<Capture>>,
}

#[derive(Default)]
struct Watched {
    captures: Mutex<Captures>,
}

#[derive(Default)]
struct Captures {
    all: Vec<Weak<Capture>>,
    /// Those of captures that are gone are removed when there are so many.
    limit: usize,
}

impl Watched {
    fn note(&self, capture: &Arc<Capture>) {
        let mut captures = self.captures.lock().unwrap_or_else(PoisonError::into_inner);
        if captures.all.len() >= captures.limit {
            captures.all.retain(|capture| capture.strong_count() > 0);
            captures.limit = (captures.all.len() * 2).max(64);
        }
        captures.all.push(Arc::downgrade(capture));
    }

    fn alive(&self) -> Vec<Arc<Capture>> {
        let captures = self.captures.lock().unwrap_or_else(PoisonError::into_inner);
        captures.all.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Capture {
    fn begin(watched: &Arc<Watched>, first: bool, outer: Option<Arc<Capture>>) -> Arc<Capture> {
        let backtrace = Arc::new(Backtrace::capture());
        let capture = Arc::new(Capture { watched: watched.clone(), by: routines::id(), backtrace, first, outer });
        watched.note(&capture);
        capture
    }

    /// Where a routine with this parent has it from.
    fn through(&self, parent: Option<RoutineId>) -> Through {
        match parent {
            _ if self.first => Through::Itself,
            Some(parent) if parent == self.by => Through::Parent(parent),
            _ => Through::Captured(self.by),
        }
    }

    fn again(&self) -> Arc<Capture> {
        Capture::begin(&self.watched, false, self.outer.as_ref().map(|outer| outer.again()))
    }
}

/// Writes down every capture of the current context from here on: see [`Watch`].
///
/// It is bound as [`Local::set`] binds: until the innermost frame ends, or the watch is dropped. In a task that was
/// started without a context of its own there is nothing to watch, and nothing is held. Never panics.
pub fn watch() -> Watch {
    let watched = Arc::new(Watched::default());
    let outer = CAPTURE.get();
    let first = Capture::begin(&watched, true, outer.clone());
    // Refused in a task without a context.
    let _ = CAPTURE.try_set(first);
    Watch { watched, outer: outer.as_ref().map(Arc::downgrade) }
}

/// Knows what still holds the context it was made in: every routine, snapshot, closure, message and future that
/// captured it, and what captured those.
///
/// Holds none of it itself. While the context is alive each capture of it costs an allocation, a lock of the watch and
/// a copy of the named values, about half a microsecond; and a backtrace, if the environment asks for those.
///
/// ```
/// use routines::Local;
/// use routines_inspect::held::{self, Through};
///
/// static REQUEST_ID: Local<&str> = Local::new().named("request_id");
///
/// let (end, wait) = std::sync::mpsc::channel::<()>();
/// let (watch, thread) = REQUEST_ID.sync_scope("req-7", || {
///     (held::watch(), routines::thread::spawn(move || wait.recv().is_ok()))
/// });
/// let held = watch.held();
/// assert_eq!(held.routines()[0].through, Through::Parent(routines::id()));
/// drop(end);
/// thread.join().unwrap();
/// assert!(!watch.held().is_alive());
/// ```
pub struct Watch {
    watched: Arc<Watched>,
    outer: Option<Weak<Capture>>,
}

impl Watch {
    /// Who holds the context now.
    ///
    /// A copy of what was so at some moments during the call. Calls the `Debug` of all values of all live routines, as
    /// a dump does; otherwise never panics. Linear in the number of live routines and of captures. A dump that is under
    /// way elsewhere holds what it is about to show, for a moment.
    pub fn held(&self) -> Held {
        // Looked at twice, around the captures: what a routine that comes or goes meanwhile has is not taken for stored.
        let mut told: HashSet<*const Capture> = self.shown().values().map(Arc::as_ptr).collect();
        let captures = self.watched.alive();
        let shown = self.shown();
        told.extend(shown.values().map(Arc::as_ptr));
        let all = routines::all();
        let holder = |info: &RoutineInfo| {
            let through = shown.get(&info.id)?.through(info.parent);
            Some(Holder { routine: info.clone(), through })
        };
        let routines = all.iter().filter_map(holder).collect();
        let untold = captures.iter().filter(|capture| !told.contains(&Arc::as_ptr(capture)));
        let stored = untold.map(|capture| Stored { by: capture.by, backtrace: capture.backtrace.clone() }).collect();
        Held { alive: !captures.is_empty(), routines, stored }
    }

    /// What each live routine runs with.
    fn shown(&self) -> HashMap<RoutineId, Arc<Capture>> {
        CAPTURE.holders().into_iter().filter_map(|(id, capture)| Some((id, self.own(&capture)?))).collect()
    }

    /// This watch's part of a capture, which other watches may share.
    fn own(&self, capture: &Arc<Capture>) -> Option<Arc<Capture>> {
        let mut all = std::iter::successors(Some(capture), |capture| capture.outer.as_ref());
        all.find(|capture| Arc::ptr_eq(&capture.watched, &self.watched)).cloned()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Where this is current, it ends; captures go on unwatched.
        if CAPTURE.with(|capture| Arc::ptr_eq(&capture.watched, &self.watched)) == Some(true) {
            match self.outer.as_ref().and_then(Weak::upgrade) {
                Some(outer) => drop(CAPTURE.try_set(outer)),
                None => drop(CAPTURE.remove()),
            }
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("captures", &self.watched.alive().len()).finish()
    }
}
