//! Owns the tree of what is cancelled together: parents before children, without recursion, nothing run under a lock.
//!
//! A node keeps its parent alive, and its parent knows it weakly: so the tree holds nothing that nobody works for any more,
//! and a middle that ended does not cut off what it started. A middle that nobody can end alone any more, and that has nothing else to
//! tell, is stepped over: routines that each start the next and end make no chain.
//!
//! Locks are taken in one order, with no user code under any: a node's `parent`, that parent's `parent`, then one node's `dependents`.
//! What is told, added and moved is decided under `dependents`, which leaves no protocol of atomics to a model checker: `aside` is
//! written under the lock that whoever reads it has taken since it listed itself there, a timer and a cancellation meet at the lock
//! (see `start_timer`), `handles` falls to 0 once, and `CANCELLED` is right whenever somebody can tell (see [`any_cancelled`]).

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Waker;
use std::time::Instant;

use slab::Slab;

use crate::cause::Cause;
use crate::contain::contain;
use crate::timer;

/// Nodes that exist.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Those of them that are cancelled. While it is 0, nobody needs to look further.
static CANCELLED: AtomicUsize = AtomicUsize::new(0);

/// Whether any node that still exists is cancelled.
#[inline]
pub(crate) fn any_cancelled() -> bool {
    // Relaxed: whoever was told of a cancellation by other means has synchronised by those, and the node is counted before it is told
    // and until its last handle is gone, the asker's among them; nobody else can tell the order.
    CANCELLED.load(Ordering::Relaxed) != 0
}

pub(crate) fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

pub(crate) type Callback = Box<dyn FnOnce(&Cause) + Send>;

/// What is told when a node is cancelled.
pub(crate) enum Dependent {
    Child(Weak<Node>),
    Waiter(Waker),
    Callback(Callback),
}

impl Dependent {
    /// Runs what is the user's.
    pub(crate) fn call(self, cause: &Cause) {
        match self {
            Dependent::Child(_) => {}
            Dependent::Waiter(waker) => waker.wake(),
            Dependent::Callback(callback) => callback(cause),
        }
    }
}

pub(crate) struct Node {
    cause: OnceLock<Cause>,
    /// The earliest of its own and its parents'.
    deadline: Option<Instant>,
    /// What its own end tells, if the one who ends it does not say.
    default_cause: OnceLock<Cause>,
    /// Emptied when it is cancelled, and nothing is added after.
    dependents: Mutex<Slab<Dependent>>,
    parent: Mutex<Option<Link>>,
    /// The tokens of it: who can end it alone, or add to it.
    handles: AtomicUsize,
    /// Whether its children are to be its parent's.
    aside: AtomicBool,
    timer: OnceLock<timer::Key>,
    /// The bridges to and from somebody else's tokens.
    #[cfg(feature = "tokio-util")]
    pub(crate) bridges: crate::bridge::Bridges,
}

/// A parent, and where it lists this child: takes it off the list when dropped.
struct Link {
    node: Arc<Node>,
    at: usize,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.node.forget(self.at);
    }
}

/// # The tree
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
            dependents: Mutex::new(Slab::new()),
            parent: Mutex::new(parent),
            handles: AtomicUsize::new(0),
            aside: AtomicBool::new(false),
            timer: OnceLock::new(),
            #[cfg(feature = "tokio-util")]
            bridges: Default::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Dependent>> {
        self.dependents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parent(&self) -> MutexGuard<'_, Option<Link>> {
        self.parent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a token of it.
    pub(crate) fn hold(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// A token of it is dropped. The last one leaves to those above the children that are still there.
    pub(crate) fn release(self: &Arc<Node>) {
        // Children hold their parent: with nobody else holding it, there are none.
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 && Arc::strong_count(self) > 1 {
            for child in self.step_aside().iter().filter_map(Weak::upgrade) {
                child.climb();
            }
        }
    }

    /// Gives the children that have to climb: none, if it can be ended still, or has somebody else to tell.
    fn step_aside(&self) -> Vec<Weak<Node>> {
        let dependents = self.lock();
        let children = dependents.iter().map(|(_, dependent)| match dependent {
            Dependent::Child(child) => Some(child.clone()),
            _ => None,
        });
        let children: Option<Vec<_>> = children.collect();
        match children {
            Some(children) if !self.is_cancelled() && !self.ends_by_itself() => {
                self.aside.store(true, Ordering::Relaxed);
                children
            }
            _ => Vec::new(),
        }
    }

    fn ends_by_itself(&self) -> bool {
        #[cfg(feature = "tokio-util")]
        if self.bridges.follow() {
            return true;
        }
        self.timer.get().is_some()
    }

    /// Goes below the nearest above that has not stepped aside.
    fn climb(self: &Arc<Node>) {
        // Dropped after the lock.
        let mut left = Vec::new();
        let mut parent = self.parent();
        while let Some(link) = parent.as_ref().filter(|link| link.node.aside.load(Ordering::Relaxed)) {
            let above = link.node.parent().as_ref().map(|above| above.node.clone());
            let above = match above.map(|above| above.adopt(self)).transpose() {
                Ok(above) => above,
                // It is being told of that, the old way.
                Err(cancelled) => return drop((parent, cancelled)),
            };
            left.push(std::mem::replace(&mut *parent, above));
        }
        drop(parent);
    }

    /// Tells `child`, too, from now on; gives itself back if it is too late.
    fn adopt(self: Arc<Node>, child: &Arc<Node>) -> Result<Link, Arc<Node>> {
        match self.add(Dependent::Child(Arc::downgrade(child))) {
            Ok(at) => Ok(Link { node: self, at }),
            Err(_) => Err(self),
        }
    }
}

/// # Time
impl Node {
    fn start_timer(self: &Arc<Node>) {
        if let Some(at) = self.deadline {
            // Born cancelled, as in Go: nobody should begin what has no time.
            if at <= Instant::now() {
                self.cancel(None, Cause::DeadlineExceeded);
                return;
            }
            let key = timer::add(at, Arc::downgrade(self));
            let _ = self.timer.set(key);
            // It may have been cancelled meanwhile, by someone who found no timer to stop: after the lock, one of both sees the other.
            drop(self.lock());
            if self.is_cancelled() {
                timer::remove(key);
            }
        }
    }

    fn stop_timer(&self) {
        if let Some(key) = self.timer.get() {
            timer::remove(*key);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

/// Puts whom to call to the calls, and gives the children.
fn sort(dependents: Slab<Dependent>, calls: &mut Vec<Dependent>) -> Vec<Weak<Node>> {
    let (mut children, mut callbacks) = (Vec::new(), Vec::new());
    for (_, dependent) in dependents {
        match dependent {
            Dependent::Child(child) => children.push(child),
            // Before callbacks, which may take their time.
            Dependent::Waiter(_) => calls.push(dependent),
            Dependent::Callback(_) => callbacks.push(dependent),
        }
    }
    calls.extend(callbacks);
    children
}

/// # The end
impl Node {
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cause.get().is_some()
    }

    #[inline]
    pub(crate) fn cause(&self) -> Option<&Cause> {
        self.cause.get()
    }

    pub(crate) fn set_default_cause(&self, cause: Cause) {
        let _ = self.default_cause.set(cause);
    }

    /// Cancels it and everything below; `false` if it was cancelled already.
    pub(crate) fn cancel(self: &Arc<Node>, cause: Option<Cause>, or: Cause) -> bool {
        let cause = cause.unwrap_or_else(|| self.default_cause.get().cloned().unwrap_or(or));
        let Some(told) = self.end(&cause) else { return false };
        let mut calls = Vec::new();
        // Everything below is ended before anybody is told: a task that is woken may drop what was to be told next. A list and not
        // recursion: trees may be a million deep.
        let mut ended = vec![told];
        while let Some(dependents) = ended.pop() {
            let children = sort(dependents, &mut calls);
            // The list is taken from its end: the oldest child comes first.
            ended.extend(children.iter().rev().filter_map(|child| child.upgrade()?.end(&cause)));
        }
        for call in calls {
            contain(|| call.call(&cause));
        }
        true
    }

    /// From here on it is cancelled; gives who is to be told, or `None` if it was.
    fn end(&self, cause: &Cause) -> Option<Slab<Dependent>> {
        let mut dependents = self.lock();
        if self.is_cancelled() {
            return None;
        }
        // Counted first: whoever sees the cause must not be held back by the count.
        CANCELLED.fetch_add(1, Ordering::Relaxed);
        let _ = self.cause.set(cause.clone());
        let told = std::mem::take(&mut *dependents);
        drop(dependents);
        self.stop_timer();
        Some(told)
    }

    /// Has `dependent` told when it is cancelled; gives it back, with the cause, if it is already.
    pub(crate) fn add(&self, dependent: Dependent) -> Result<usize, (Dependent, Cause)> {
        let mut dependents = self.lock();
        match self.cause() {
            None => Ok(dependents.insert(dependent)),
            Some(cause) => Err((dependent, cause.clone())),
        }
    }

    /// Takes back what was put in at `at`; whether it was still there.
    pub(crate) fn forget(&self, at: usize) -> bool {
        // Bound first: what is dropped may be the user's, and must not be under the lock.
        let forgotten = self.lock().try_remove(at);
        forgotten.is_some()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
        if self.is_cancelled() {
            CANCELLED.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.stop_timer();
        }
        drop_in_turn(Remains {
            parent: self.parent.get_mut().unwrap_or_else(PoisonError::into_inner).take(),
            dependents: std::mem::take(self.dependents.get_mut().unwrap_or_else(PoisonError::into_inner)),
            causes: [self.cause.take(), self.default_cause.take()],
            #[cfg(feature = "tokio-util")]
            bridges: std::mem::take(&mut self.bridges),
        });
    }
}

/// What a dropped node leaves: its parent and the user's things, any of which may be the last to hold another node.
struct Remains {
    parent: Option<Link>,
    dependents: Slab<Dependent>,
    causes: [Option<Cause>; 2],
    #[cfg(feature = "tokio-util")]
    bridges: crate::bridge::Bridges,
}

impl Remains {
    fn drop_each(self) {
        for (_, dependent) in self.dependents {
            contain(|| drop(dependent));
        }
        for cause in self.causes.into_iter().flatten() {
            contain(|| drop(cause));
        }
        #[cfg(feature = "tokio-util")]
        drop(self.bridges);
        drop(self.parent);
    }
}

thread_local! {
    /// What this thread drops next, while it is dropping.
    static NEXT: RefCell<Option<Vec<Remains>>> = const { RefCell::new(None) };
}

/// Drops at once, or after what this thread is dropping already: nodes hold each other as parents, and by the tokens in callbacks, in
/// chains of any length, which must not be dropped each within the other's drop.
fn drop_in_turn(remains: Remains) {
    let mut remains = Some(remains);
    let begun = NEXT.try_with(|next| match &mut *next.borrow_mut() {
        Some(next) => next.extend(remains.take()),
        none => *none = Some(Vec::new()),
    });
    while let Some(current) = remains {
        current.drop_each();
        remains = begun.and_then(|()| NEXT.try_with(take_next)).ok().flatten();
    }
}

fn take_next(next: &RefCell<Option<Vec<Remains>>>) -> Option<Remains> {
    let mut next = next.borrow_mut();
    let remains = next.as_mut().and_then(Vec::pop);
    if remains.is_none() {
        *next = None;
    }
    remains
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, for there is one count. What it saves cannot be seen from outside.
    #[test]
    fn the_process_looks_for_cancellations_only_while_there_are_some() {
        let (root, other) = (Node::root(None), Node::root(None));
        let child = root.child(None);
        assert!(!any_cancelled());
        assert!(root.cancel(None, Cause::Cancelled) && other.cancel(None, Cause::Cancelled));
        assert!(!root.cancel(None, Cause::Cancelled));
        drop((root, other));
        assert!(any_cancelled());
        drop(child);
        assert!(!any_cancelled());
    }
}
