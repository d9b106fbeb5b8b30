//! Owns the leak check for tests: what this test started, directly or not, and what of it still lives.
//!
//! ```
//! use routines_inspect::leak;
//!
//! leak::check(|| {
//!     let worker = routines::thread::spawn(|| 6 * 7);
//!     assert_eq!(worker.join().unwrap(), 42);
//! });
//! ```
//!
//! # What counts as the test's
//!
//! A check puts a mark into the context of the code it watches: no value anybody sees, only inherited. The test's are
//!
//! - the live routines that run with the mark: whatever inherited it over any number of generations, also when those
//!   between have ended, and a thread of somebody else's for as long as it runs a [`Snapshot`](routines::Snapshot) of
//!   the test;
//! - those without any mark whose chain of parents, each still alive, leads to the test: work started *detached*. Once a
//!   routine between has ended, detached work below it cannot be told from anybody else's and is not found.
//!
//! Work of another test has that test's mark, so checks that run at once never blame each other. Not the test's are
//! what was there before, the routine that runs the test, and the one that asks.
//!
//! Only routines can be found: a future given to plain `tokio::spawn`, or a thread of `std::thread`, is none, unless
//! `routines_tokio::Flow` makes it one.
//!
//! # Waiting
//!
//! A routine that is about to end is no leak, so a check that finds something looks again, after 1, 2, 4, ... 64
//! milliseconds and then every 100, until these waits add up to its patience: one second, 17 looks, if nothing else is
//! said. A check that finds nothing waits for nothing. A look is a dump of the process: 13 microseconds where little
//! runs, 0.2 s beside 100 000 routines.

mod allowed;
mod waits;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use routines::{Kind, Local, RoutineBuilder, RoutineId, RoutineInfo};

use allowed::Allowed;
use waits::{Waits, pause};

/// Which check the running code belongs to. Derived, because that is what makes a key without a name one that
/// [`Local::holders`] finds; without a name it is never shown.
static MARK: Local<Mark> = Local::new().derive(Mark::clone);

#[derive(Clone)]
struct Mark(Arc<Outer>);

/// The check around it, if it is inside another.
struct Outer(Option<Mark>);

impl Mark {
    fn new() -> Mark {
        Mark(Arc::new(Outer(MARK.get())))
    }

    fn is(&self, other: &Mark) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn is_within(&self, other: &Mark) -> bool {
        std::iter::successors(Some(self), |mark| mark.0.0.as_ref()).any(|mark| mark.is(other))
    }
}

/// Runs a test as a routine of its own, and fails it if anything that it started outlives it.
///
/// # Panics
///
/// With the test's own panic; or, at the caller's line, with a dump of what is left. See [`LeakCheck::verify`].
///
/// ```should_panic
/// let (end, wait) = std::sync::mpsc::channel::<()>();
/// routines_inspect::leak::check(|| {
///     routines::thread::spawn(move || wait.recv());
/// });
/// # drop(end);
/// ```
#[track_caller]
pub fn check<R>(test: impl FnOnce() -> R) -> R {
    LeakCheck::unmarked().check(test)
}

/// As [`check`], for an async test: the waits leave the thread to the runtime, whatever runtime it is.
///
/// # Panics
///
/// With the test's own panic, or with a dump of what is left. The caller's line is in the message; the panic's own line
/// cannot be the caller's in a future.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(
/// routines_inspect::leak::check_async(async {
///     routines_tokio::spawn(async {}).await.unwrap();
/// })
/// # );
/// ```
#[track_caller]
pub fn check_async<F: Future>(test: F) -> impl Future<Output = F::Output> {
    LeakCheck::unmarked().check_async(test)
}

/// Watches what is started from here on, until it is asked or dropped.
///
/// From [`new`](Self::new) until it is dropped, or the frame ends that called it (a scope, a `bind`), the current
/// routine's children belong to it. One at a time in a routine, or one inside another: branches of one `join!` are one
/// routine, give each a [`check_async`].
///
/// Never blocks or panics but where [`verify`](Self::verify) does. While it lives each spawn below it costs a copy of
/// the context's named values: a few hundred nanoseconds.
///
/// ```
/// use routines_inspect::leak::LeakCheck;
///
/// let check = LeakCheck::new().allow_name("pool");
/// routines::thread::spawn(|| ()).join().unwrap();
/// check.verify();
/// ```
#[must_use = "call `verify` at the end of the test"]
pub struct LeakCheck {
    /// Who made the check, and has its mark until that is dropped.
    maker: RoutineId,
    /// Whose descendants are the test's: the maker, or the routine of a whole test.
    root: RoutineId,
    mark: Mark,
    before: HashSet<RoutineId>,
    allowed: Allowed,
    patience: Duration,
    at: &'static Location<'static>,
}

impl Default for LeakCheck {
    #[track_caller]
    fn default() -> Self {
        LeakCheck::new()
    }
}

impl LeakCheck {
    /// A check whose root is the current routine.
    ///
    /// In a task that was started without a context of its own there is no place for the mark: only what it starts
    /// itself is found, and what descends from that through parents still alive.
    #[track_caller]
    pub fn new() -> Self {
        let check = LeakCheck::unmarked();
        // Refused in a task without a context; its direct children know their parent all the same.
        let _ = MARK.try_set(check.mark.clone());
        check
    }

    #[track_caller]
    fn unmarked() -> Self {
        LeakCheck {
            maker: routines::id(),
            root: routines::id(),
            mark: Mark::new(),
            before: routines::ids().into_iter().collect(),
            allowed: Allowed::default(),
            patience: Duration::from_secs(1),
            at: Location::caller(),
        }
    }

    /// Lets routines of this name live on. What they start is not covered.
    pub fn allow_name(mut self, name: impl Into<String>) -> Self {
        self.allowed.name(name.into());
        self
    }

    /// Lets routines live on that were spawned here: a file as `pool.rs` or `src/pool.rs`, a line as `pool.rs:17`.
    pub fn allow_location(mut self, location: impl Into<String>) -> Self {
        self.allowed.location(location.into());
        self
    }

    /// How long to wait for what is left to end: see [waiting](self#waiting). Zero looks once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Fails if anything that was started lives, after waiting for it.
    ///
    /// Blocks the thread while it waits: inside a runtime that has no other thread nothing ends meanwhile, so use
    /// [`verify_async`](Self::verify_async) there.
    ///
    /// # Panics
    ///
    /// At the caller's line, with what [`Leaks`] displays.
    #[track_caller]
    pub fn verify(self) {
        self.pass(self.wait());
    }

    /// As [`verify`](Self::verify), without a panic; may be asked again.
    ///
    /// # Errors
    ///
    /// What is left.
    pub fn try_verify(&self) -> Result<(), Leaks> {
        self.wait()
    }

    /// As [`verify`](Self::verify), leaving the thread to the runtime while it waits.
    ///
    /// # Panics
    ///
    /// With what [`Leaks`] displays.
    pub async fn verify_async(self) {
        self.pass(self.wait_async().await);
    }

    /// As [`try_verify`](Self::try_verify), leaving the thread to the runtime while it waits.
    ///
    /// # Errors
    ///
    /// What is left.
    pub async fn try_verify_async(&self) -> Result<(), Leaks> {
        self.wait_async().await
    }

    /// As the function [`check`], with this check's lists and patience.
    ///
    /// # Panics
    ///
    /// As that.
    #[track_caller]
    pub fn check<R>(mut self, test: impl FnOnce() -> R) -> R {
        let root = &mut self.root;
        let job = || {
            *root = routines::id();
            test()
        };
        let result = MARK.sync_scope(self.mark.clone(), || RoutineBuilder::new(Kind::Job).name(NAME).job(job))();
        self.verify();
        result
    }

    /// As the function [`check_async`], with this check's lists and patience.
    ///
    /// # Panics
    ///
    /// As that.
    #[track_caller]
    pub fn check_async<F: Future>(mut self, test: F) -> impl Future<Output = F::Output> {
        let routine = RoutineBuilder::new(Kind::Task).name(NAME);
        let test = MARK.sync_scope(self.mark.clone(), || routine.future(test));
        self.root = test.routine_id().unwrap_or(self.root);
        async move {
            let result = test.await;
            self.verify_async().await;
            result
        }
    }

    #[track_caller]
    fn pass(&self, outcome: Result<(), Leaks>) {
        if let Err(leaks) = outcome {
            panic!("{leaks}");
        }
    }

    fn wait(&self) -> Result<(), Leaks> {
        let mut waits = Waits::new(self.patience);
        while let Err(leaks) = self.look() {
            std::thread::sleep(waits.next().ok_or(leaks)?);
        }
        Ok(())
    }

    async fn wait_async(&self) -> Result<(), Leaks> {
        let mut waits = Waits::new(self.patience);
        while let Err(leaks) = self.look() {
            pause(waits.next().ok_or(leaks)?).await;
        }
        Ok(())
    }

    fn look(&self) -> Result<(), Leaks> {
        let left = self.left();
        if left.is_empty() {
            return Ok(());
        }
        Err(Leaks { routines: left, at: self.at, waited: self.patience })
    }

    /// What lives and is not allowed to.
    fn left(&self) -> Vec<RoutineInfo> {
        let all = routines::all();
        // Asked for in this order: what is still alive at the end had its mark when the marks were read.
        let marks: HashMap<_, _> = MARK.holders().into_iter().filter(|(id, _)| *id != self.maker).collect();
        let alive: HashSet<_> = routines::ids().into_iter().collect();
        let family = Family { check: self, parents: all.iter().map(|info| (info.id, info.parent)).collect(), marks };
        let me = routines::id();
        let left = all.iter().filter(|info| info.id != me && alive.contains(&info.id) && family.has(info.id));
        left.filter(|info| !self.allowed.covers(info)).cloned().collect()
    }
}

impl Drop for LeakCheck {
    fn drop(&mut self) {
        if MARK.with(|mark| mark.is(&self.mark)) == Some(true) {
            drop(match &self.mark.0.0 {
                Some(outer) => MARK.try_set(outer.clone()).ok().flatten(),
                None => MARK.remove(),
            });
        }
    }
}

impl fmt::Debug for LeakCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeakCheck").field("root", &self.root).field("at", &self.at).finish_non_exhaustive()
    }
}

/// The routine of a whole test.
const NAME: &str = "leak check";

/// Who belongs to a check.
struct Family<'a, M> {
    check: &'a LeakCheck,
    parents: HashMap<RoutineId, Option<RoutineId>>,
    marks: HashMap<RoutineId, M>,
}

impl<M: std::ops::Deref<Target = Mark>> Family<'_, M> {
    fn has(&self, id: RoutineId) -> bool {
        let mut at = id;
        // A parent is older than its child: the chain ends.
        loop {
            if at == self.check.root {
                return at != id;
            }
            if let Some(mark) = self.marks.get(&at) {
                return mark.is_within(&self.check.mark);
            }
            if self.check.before.contains(&at) {
                return false;
            }
            match self.parents.get(&at) {
                Some(Some(parent)) => at = *parent,
                _ => return false,
            }
        }
    }
}

/// Routines that outlived the test that started them: the error of [`LeakCheck::try_verify`].
///
/// Displays how many, the line of the check, and the dump of the first hundred in the shape of [`routines::dump`].
#[derive(Debug, Clone)]
pub struct Leaks {
    routines: Vec<RoutineInfo>,
    at: &'static Location<'static>,
    waited: Duration,
}

/// More than that nobody reads.
const SHOWN: usize = 100;

impl Leaks {
    /// What is left, by id: all of it.
    pub fn routines(&self) -> &[RoutineInfo] {
        &self.routines
    }

    /// The line that made the check.
    pub fn location(&self) -> &'static Location<'static> {
        self.at
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, at) = (self.routines.len(), self.at);
        let (routines, live) = if count == 1 { ("routine", "lives") } else { ("routines", "live") };
        writeln!(f, "leak check at {at}: {count} {routines} of this test still {live} after {:?}\n", self.waited)?;
        for (index, info) in self.routines.iter().take(SHOWN).enumerate() {
            write!(f, "{}{info}", if index == 0 { "" } else { "\n" })?;
        }
        match count.checked_sub(SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Leaks {}
