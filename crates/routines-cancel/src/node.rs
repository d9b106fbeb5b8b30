//! Owns the tree of what is cancelled together: parents before children, without recursion, nothing run under a lock.
//!
//! A node keeps its parent alive, and its parent knows it weakly: so the tree holds nothing that nobody works for any more,
//! and a middle that ended does not cut off what it started.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use event_listener::{Event, EventListener};
use slab::Slab;

use crate::cause::Cause;
use crate::timer;

/// Nodes that exist.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Those of them that are cancelled. While it is 0, nobody needs to look further.
static CANCELLED: AtomicUsize = AtomicUsize::new(0);

/// Whether any node that still exists is cancelled.
#[inline]
pub(crate) fn any_cancelled() -> bool {
    // Relaxed: whoever was told of a cancellation by other means has synchronised by those; nobody else can tell the order.
    CANCELLED.load(Ordering::Relaxed) != 0
}

pub(crate) fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

pub(crate) type Callback = Box<dyn FnOnce(&Cause) + Send>;

/// What is told when a node is cancelled.
enum Dependent {
    Child(Weak<Node>),
    Callback(Callback),
}

pub(crate) struct Node {
    cause: OnceLock<Cause>,
    /// The earliest of its own and its parents'.
    deadline: Option<Instant>,
    /// What its own end tells, if the one who ends it does not say.
    default_cause: OnceLock<Cause>,
    event: Event,
    /// Emptied when it is cancelled, and nothing is added after.
    dependents: Mutex<Slab<Dependent>>,
    parent: Option<Link>,
    timer: OnceLock<timer::Key>,
    /// Whatever must live as long: a bridge to somebody else's token.
    #[cfg_attr(not(feature = "tokio-util"), expect(dead_code))]
    pub(crate) keeps: OnceLock<Box<dyn Send + Sync>>,
}

/// A parent, and where it lists this child.
struct Link {
    node: Arc<Node>,
    at: usize,
}

impl Node {
    pub(crate) fn root(deadline: Option<Instant>) -> Arc<Node> {
        let node = Arc::new(Node::new(deadline, None));
        node.start_timer();
        node
    }

    /// A node told when `self` is; `self` once more if that is cancelled already.
    pub(crate) fn child(self: &Arc<Node>, deadline: Option<Instant>) -> Arc<Node> {
        let earlier = deadline.filter(|at| self.deadline.is_none_or(|above| *at < above));
        let mut dependents = self.lock();
        if self.is_cancelled() {
            return self.clone();
        }
        let at = dependents.vacant_key();
        let child = Arc::new_cyclic(|me| {
            dependents.insert(Dependent::Child(me.clone()));
            let parent = Some(Link { node: self.clone(), at });
            Node::new(earlier.or(self.deadline), parent)
        });
        drop(dependents);
        // With its parent's deadline, its parent's timer is enough.
        if earlier.is_some() {
            child.start_timer();
        }
        child
    }

    fn new(deadline: Option<Instant>, parent: Option<Link>) -> Node {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Node {
            cause: OnceLock::new(),
            deadline,
            default_cause: OnceLock::new(),
            event: Event::new(),
            dependents: Mutex::new(Slab::new()),
            parent,
            timer: OnceLock::new(),
            keeps: OnceLock::new(),
        }
    }

    fn start_timer(self: &Arc<Node>) {
        if let Some(at) = self.deadline {
            let key = timer::add(at, Arc::downgrade(self));
            let _ = self.timer.set(key);
            // It may have been cancelled meanwhile, by someone who found no timer to stop.
            if self.is_cancelled() {
                timer::remove(key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Dependent>> {
        self.dependents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cause.get().is_some()
    }

    pub(crate) fn cause(&self) -> Option<&Cause> {
        self.cause.get()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn set_default_cause(&self, cause: Cause) {
        let _ = self.default_cause.set(cause);
    }

    pub(crate) fn listen(&self) -> EventListener {
        self.event.listen()
    }

    /// Cancels it and everything below; `false` if it was cancelled already.
    pub(crate) fn cancel(self: &Arc<Node>, cause: Option<Cause>, or: Cause) -> bool {
        let cause = cause.unwrap_or_else(|| self.default_cause.get().cloned().unwrap_or(or));
        let Some(told) = self.tell(&cause) else { return false };
        let mut next = told;
        // A list and not recursion: trees may be a million deep.
        while let Some(child) = next.pop() {
            if let Some(child) = child.upgrade()
                && let Some(below) = child.tell(&cause)
            {
                next.extend(below);
            }
        }
        true
    }

    /// Tells this node alone and runs its callbacks; gives its children, or `None` if it knew.
    fn tell(&self, cause: &Cause) -> Option<Vec<Weak<Node>>> {
        let mut lock = self.lock();
        if self.is_cancelled() {
            return None;
        }
        // Counted first: whoever sees the cause must not be held back by the count.
        CANCELLED.fetch_add(1, Ordering::Relaxed);
        let _ = self.cause.set(cause.clone());
        let dependents = std::mem::take(&mut *lock);
        drop(lock);
        self.stop_timer();
        self.event.notify(usize::MAX);
        let mut children = Vec::new();
        for (_, dependent) in dependents {
            match dependent {
                Dependent::Child(child) => children.push(child),
                Dependent::Callback(callback) => run(callback, cause),
            }
        }
        // The list is taken from its end: the oldest child is told first.
        children.reverse();
        Some(children)
    }

    fn stop_timer(&self) {
        if let Some(key) = self.timer.get() {
            timer::remove(*key);
        }
    }

    /// Has `callback` run when it is cancelled; gives it back, with the cause, if it is already.
    pub(crate) fn on_cancel(&self, callback: Callback) -> Result<usize, (Callback, Cause)> {
        let mut dependents = self.lock();
        match self.cause() {
            None => Ok(dependents.insert(Dependent::Callback(callback))),
            Some(cause) => Err((callback, cause.clone())),
        }
    }

    /// Takes back what was put in at `at`; whether it was still there.
    pub(crate) fn forget(&self, at: usize) -> bool {
        // Bound first: what is dropped may be the user's, and must not be under the lock.
        let forgotten = self.lock().try_remove(at);
        forgotten.is_some()
    }
}

/// A callback's panic has been told of by the panic hook; the others are run all the same.
fn run(callback: Callback, cause: &Cause) {
    let _ = catch_unwind(AssertUnwindSafe(|| callback(cause)));
}

impl Drop for Node {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
        if self.is_cancelled() {
            CANCELLED.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.stop_timer();
        }
        // Parents that were kept by nothing else go here, one after the other, and not each within its child's drop.
        let mut next = self.parent.take();
        while let Some(Link { node, at }) = next {
            node.forget(at);
            next = Arc::into_inner(node).and_then(|mut node| node.parent.take());
        }
    }
}
