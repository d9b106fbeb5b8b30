//! Owns the work that each way of starting some is given, and what is learned from it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use routines::{Inherit, Kind, Local, RoutineId, RoutineInfo};
use routines_tokio::task::{AbortHandle, JoinError, JoinHandle, JoinSet, yield_now};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::hosts;
use crate::support::current_thread;

pub(crate) static SHARED: Local<u32> = Local::new();
pub(crate) static PRIVATE: Local<u32> = Local::new().inherit(Inherit::Never);
pub(crate) static LINEAGE: Local<Lineage> = Local::new().derive(Lineage::child);

/// Tells who derived it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lineage {
    pub(crate) generation: u32,
    pub(crate) derived_by: Option<RoutineId>,
    pub(crate) derived: Arc<AtomicUsize>,
}

impl Lineage {
    fn child(&self) -> Self {
        self.derived.fetch_add(1, Ordering::Relaxed);
        Lineage {
            generation: self.generation + 1,
            derived_by: Some(routines::id()),
            derived: Arc::clone(&self.derived),
        }
    }
}

/// What work sees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) shared: Option<u32>,
    pub(crate) private: Option<u32>,
    pub(crate) generation: Option<u32>,
    pub(crate) derived_by: Option<RoutineId>,
    pub(crate) id: RoutineId,
    pub(crate) parent: Option<RoutineId>,
    pub(crate) kind: Kind,
}

pub(crate) fn look() -> Seen {
    let info = routines::current().info().expect("work is a routine");
    let lineage = LINEAGE.get();
    Seen {
        shared: SHARED.get(),
        private: PRIVATE.get(),
        generation: lineage.as_ref().map(|lineage| lineage.generation),
        derived_by: lineage.and_then(|lineage| lineage.derived_by),
        id: info.id,
        parent: info.parent,
        kind: info.kind,
    }
}

/// The live routines that `parent` has started, but for those that occupy its host's threads.
pub(crate) fn children(parent: RoutineId) -> Vec<RoutineInfo> {
    let occupies = |info: &RoutineInfo| info.spawned_at.as_deref().is_some_and(|at| at.starts_with(hosts::FILE));
    routines::all().into_iter().filter(|info| info.parent == Some(parent) && !occupies(info)).collect()
}

/// What to do: a task does it at each of several polls, a job once.
pub(crate) struct Work {
    act: Box<dyn FnMut() -> Seen + Send>,
    /// A task never ends; a job waits for it, and acts once more.
    hold: Option<mpsc::Receiver<()>>,
    witness: Option<Witness>,
}

impl Work {
    pub(crate) fn of(act: impl FnMut() -> Seen + Send + 'static) -> Self {
        Work { act: Box::new(act), hold: None, witness: None }
    }

    /// Looks, and tells of its start and its drop.
    pub(crate) fn witnessed() -> (Self, Report) {
        let (started, starts) = unbounded_channel();
        let (dropped, drops) = mpsc::channel();
        let witness = Witness { started, dropped };
        (Work { witness: Some(witness), ..Work::of(look) }, Report { starts, drops })
    }

    /// As [`witnessed`](Self::witnessed), and goes on until the sender is dropped.
    pub(crate) fn held() -> (Self, Report, mpsc::Sender<()>) {
        let (release, hold) = mpsc::channel();
        let (work, report) = Work::witnessed();
        (Work { hold: Some(hold), ..work }, report, release)
    }

    fn act(&mut self) -> Seen {
        let seen = (self.act)();
        if let Some(witness) = &self.witness {
            let _ = witness.started.send(seen.id);
        }
        seen
    }

    pub(crate) async fn task(mut self) -> Seen {
        let seen = self.act();
        for _ in 0..3 {
            yield_now().await;
            assert_eq!((self.act)(), seen, "it stays the same routine, with the same values");
        }
        if self.hold.is_some() {
            std::future::pending::<()>().await;
        }
        seen
    }

    pub(crate) fn job(mut self) -> Seen {
        let seen = self.act();
        match self.hold.take() {
            Some(hold) => {
                let _ = hold.recv();
                (self.act)()
            }
            None => seen,
        }
    }
}

/// Says what it sees when it is dropped.
struct Witness {
    started: UnboundedSender<RoutineId>,
    dropped: mpsc::Sender<(Option<u32>, RoutineId)>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.dropped.send((SHARED.get(), routines::id()));
    }
}

/// What a witness says.
pub(crate) struct Report {
    starts: UnboundedReceiver<RoutineId>,
    drops: mpsc::Receiver<(Option<u32>, RoutineId)>,
}

impl Report {
    pub(crate) async fn start(&mut self) -> RoutineId {
        self.starts.recv().await.expect("it starts")
    }

    pub(crate) fn ran(&mut self) -> bool {
        self.starts.try_recv().is_ok()
    }

    /// The value and the routine that the destructors of work saw: `parent` is the one that started it.
    pub(crate) fn dropped_in(self, parent: RoutineId) -> Option<u32> {
        let (value, id) = self.drops.try_recv().expect("it was dropped");
        assert!(id != parent && !id.is_foreign(), "it was dropped in its own routine");
        assert!(!routines::ids().contains(&id), "its routine is not listed any more");
        assert!(self.drops.try_recv().is_err(), "it was dropped once");
        value
    }
}

/// Work that was started.
pub(crate) struct Started {
    pub(crate) abort: AbortHandle,
    pub(crate) join: Pin<Box<dyn Future<Output = Result<Seen, JoinError>>>>,
}

impl From<JoinHandle<Seen>> for Started {
    fn from(handle: JoinHandle<Seen>) -> Self {
        Started { abort: handle.abort_handle(), join: Box::pin(handle) }
    }
}

/// Of a builder, which may refuse to start work on a runtime that is shut down.
impl From<io::Result<JoinHandle<Seen>>> for Started {
    fn from(spawned: io::Result<JoinHandle<Seen>>) -> Self {
        spawned.map_or_else(|_| refused(), Started::from)
    }
}

/// As work that was cancelled at once.
fn refused() -> Started {
    current_thread().spawn(std::future::pending()).into()
}

/// Of a set that has one task.
pub(crate) fn in_set(start: impl FnOnce(&mut JoinSet<Seen>) -> AbortHandle) -> Started {
    build_in_set(|set| Ok(start(set)))
}

/// As [`in_set`], by a builder.
pub(crate) fn build_in_set(start: impl FnOnce(&mut JoinSet<Seen>) -> io::Result<AbortHandle>) -> Started {
    let mut set = JoinSet::new();
    match start(&mut set) {
        Ok(abort) => Started { abort, join: Box::pin(async move { set.join_next().await.expect("one task") }) },
        Err(_) => refused(),
    }
}
