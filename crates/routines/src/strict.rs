//! Owns strict mode: for tests, which fail where a context was lost.
//!
//! A lost context shows nowhere by itself: the line has no id, and nobody misses it. Under a [`Watch`] each of these is
//! written down and makes [`Watch::verify`] panic:
//!
//! - **a lost context**: code of a task that nobody gave a context reads a [`Local`](crate::Local), or logs. Needs a runtime
//!   whose tasks can be asked for (`routines_tokio::install`).
//! - **a guard held across a suspend**: [`Snapshot::enter`](crate::Snapshot::enter) in an `async` block that was suspended
//!   before the guard was dropped. Not seen in tasks that are found by hooks: their guards are their own, and reach nobody.
//! - **a thread left dirty**: a pool's thread that holds values while it has nothing to do. A pool asks by calling
//!   [`check_thread`]; `routines_tokio::watch_workers` makes a tokio runtime do so.
//!
//! ```
//! use routines::{Local, strict};
//!
//! static USER: Local<&str> = Local::new();
//!
//! let watch = strict::watch();
//! USER.sync_scope("ada", || routines::thread::spawn(|| USER.get()).join().unwrap());
//! watch.verify();
//! ```

use std::backtrace::Backtrace;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::RoutineId;
use crate::slot;

/// More than that nobody reads.
const MOST: usize = 100;

static ON: AtomicBool = AtomicBool::new(false);
static FOUND: Mutex<Vec<Finding>> = Mutex::new(Vec::new());
static WATCHER: Mutex<()> = Mutex::new(());

/// Something that lost a context, or might show it to others.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Finding {
    /// Code of a task without a context looked for one.
    Lost {
        /// The task, by its runtime's own number.
        task: RoutineId,
        /// Where it looked.
        backtrace: Arc<Backtrace>,
    },
    /// A guard was live when its task was suspended.
    GuardAtSuspend {
        /// Where it was entered.
        entered: &'static Location<'static>,
    },
    /// A thread held values although it had nothing to do.
    DirtyThread {
        /// The thread's routine.
        thread: RoutineId,
        /// The thread's name.
        name: Option<String>,
        /// How many values it held.
        values: usize,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Lost { task, backtrace } => write!(
                f,
                "context lost: task {task} has none and looked for one; spawn it with `routines_tokio::spawn`, give the \
                 future `.inherit()` or `.detached()`, or install `routines_tokio::Flow`\n{backtrace}"
            ),
            Finding::GuardAtSuspend { entered } => write!(
                f,
                "the guard entered at {entered} was live while its task was suspended; use `Snapshot::scope` around the future"
            ),
            Finding::DirtyThread { thread, name, values } => write!(
                f,
                "thread {thread} ({}) holds {values} value(s) although it has nothing to do; start a pool's threads detached, \
                 and bind values by scopes",
                name.as_deref().unwrap_or("unnamed")
            ),
        }
    }
}

fn found() -> MutexGuard<'static, Vec<Finding>> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether anyone watches.
#[inline]
pub(crate) fn is_on() -> bool {
    // Relaxed: what was found before the watch began is not its concern.
    ON.load(Ordering::Relaxed)
}

fn add(finding: Finding) {
    let mut found = found();
    if found.len() < MOST {
        found.push(finding);
    }
}

/// Notes that a task without a context looked for one.
pub(crate) fn lost(task: u64) {
    // Outside every task a thread, or the host of a runtime, is its own routine.
    if is_on() && task != 0 {
        add_lost(task);
    }
}

#[cold]
#[inline(never)]
fn add_lost(task: u64) {
    add(Finding::Lost { task: RoutineId::foreign(task), backtrace: Arc::new(Backtrace::force_capture()) });
}

/// Notes that a guard was live at a suspend.
pub(crate) fn guard_at_suspend(entered: &'static Location<'static>) {
    if is_on() {
        add(Finding::GuardAtSuspend { entered });
    }
}

/// Notes it if the current thread holds values outside every frame: for a pool, when one of its threads has nothing to do.
///
/// One load if nobody watches.
pub fn check_thread() {
    if !is_on() {
        return;
    }
    let mut values = 0;
    slot::context().each(&mut |_, _, _| values += 1);
    if values > 0 {
        let name = std::thread::current().name().map(str::to_owned);
        add(Finding::DirtyThread { thread: crate::id(), name, values });
    }
}

/// Begins to watch the whole process, and waits while another watch lasts: such tests take turns.
///
/// What other tests of the same process do meanwhile is found too; keep those that lose contexts on purpose in a binary of
/// their own.
pub fn watch() -> Watch {
    let turn = WATCHER.lock().unwrap_or_else(PoisonError::into_inner);
    found().clear();
    ON.store(true, Ordering::Relaxed);
    Watch { allowed: Vec::new(), verified: false, _turn: turn }
}

/// A watch over the process: see [`watch`].
#[must_use = "call `verify` at the end of the test"]
#[derive(Debug)]
pub struct Watch {
    allowed: Vec<String>,
    verified: bool,
    _turn: MutexGuard<'static, ()>,
}

impl Watch {
    /// Leaves out lost contexts whose backtrace has this text in it: a crate or a function that is known to need none.
    ///
    /// An optimised build without debug information has no names for what it inlined.
    pub fn allow(mut self, text: impl Into<String>) -> Self {
        self.allowed.push(text.into());
        self
    }

    /// What was found until now, at most a hundred.
    pub fn findings(&self) -> Vec<Finding> {
        // Backtraces are resolved without the lock, which others need to go on.
        let mut all = found().clone();
        all.retain(|finding| !self.allows(finding));
        all
    }

    fn allows(&self, finding: &Finding) -> bool {
        let Finding::Lost { backtrace, .. } = finding else { return false };
        !self.allowed.is_empty() && {
            let text = backtrace.to_string();
            self.allowed.iter().any(|allowed| text.contains(allowed))
        }
    }

    /// Ends the watch.
    ///
    /// # Panics
    ///
    /// If anything was found, with all of it.
    #[track_caller]
    pub fn verify(mut self) {
        self.verified = true;
        let findings = self.findings();
        if !findings.is_empty() {
            let list: Vec<String> = findings.iter().map(Finding::to_string).collect();
            panic!("strict mode found {}:\n{}", findings.len(), list.join("\n"));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        ON.store(false, Ordering::Relaxed);
        let findings = found().len();
        // A test that failed by itself has said so.
        if !self.verified && findings > 0 && !std::thread::panicking() {
            eprintln!("routines: strict mode found {findings}, and nobody called `Watch::verify`");
        }
    }
}
