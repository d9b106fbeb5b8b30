//! Owns the ways to make work carry a context on any executor, and the builder that runtimes' own crates use.

use std::future::Future;
use std::panic::Location;

use crate::carried::Carried;
use crate::companion::Captured;
use crate::context::Context;
use crate::identity::{self, Identity};
use crate::job::Job;
use crate::registry::{Birth, Kind, Name};
use crate::runtime::{Seat, Stack, Tasks};
use crate::slot;

/// Gives any future a context, for any executor.
///
/// ```
/// use routines::{FutureExt, Local};
///
/// static USER: Local<&str> = Local::new();
///
/// # let executor = |f: std::pin::Pin<Box<dyn Future<Output = Option<&'static str>> + Send>>| {
/// #     std::thread::spawn(|| { let mut f = f; match f.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
/// #         std::task::Poll::Ready(v) => v, _ => unreachable!() } }).join().unwrap() };
/// USER.set("ada");
/// let inherited = executor(Box::pin(async { USER.get() }.inherit()));
/// let detached = executor(Box::pin(async { USER.get() }.detached()));
/// assert_eq!((inherited, detached), (Some("ada"), None));
/// # USER.remove();
/// ```
pub trait FutureExt: Future + Sized {
    /// Carries the current context along: captured now, in the caller, whenever the first poll may be.
    ///
    /// Polled anywhere but here, the future is a routine of its own, a child of the current one. It sees what a child
    /// sees, also when it is awaited here: values of *never* keys are not part of it.
    #[track_caller]
    fn inherit(self) -> Carried<Self> {
        Carried::new(self, Identity::inheriting(Kind::Task, Location::caller()))
    }

    /// Starts with an empty context: for accept loops, pools, timers and whatever else outlives the request that
    /// happens to start it.
    #[track_caller]
    fn detached(self) -> Carried<Self> {
        let who = Identity::unborn(Kind::Task, Location::caller(), None);
        Carried::new(self, (Context::EMPTY, who))
    }
}

impl<F: Future> FutureExt for F {}

/// Starts a routine by hand: what a runtime's own `spawn` is built from.
///
/// The routine is listed in [`ids`](crate::ids) from the call to [`future`](Self::future) or [`job`](Self::job) until
/// the work ends or is dropped. The context is captured at that call.
///
/// ```
/// use routines::{Kind, RoutineBuilder};
///
/// let job = RoutineBuilder::new(Kind::Job).name("resize").job(|| routines::current().name());
/// assert_eq!(std::thread::spawn(job).join().unwrap().as_deref(), Some("resize"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "call `future` or `job` to start a routine"]
pub struct RoutineBuilder {
    kind: Kind,
    name: Option<Name>,
    detached: bool,
    location: &'static Location<'static>,
}

impl RoutineBuilder {
    /// A routine of this kind, spawned at the caller's line, inheriting the context.
    #[track_caller]
    pub fn new(kind: Kind) -> Self {
        RoutineBuilder::at(kind, Location::caller())
    }

    pub(crate) fn at(kind: Kind, location: &'static Location<'static>) -> Self {
        RoutineBuilder { kind, name: None, detached: false, location }
    }

    /// Gives the routine a name for dumps.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.name = Some(Name::from(name.as_ref()));
        self
    }

    /// Starts it with an empty context.
    pub fn detached(mut self) -> Self {
        self.detached = true;
        self
    }

    /// Says where it is spawned, if not at the line of [`new`](Self::new).
    pub fn location(mut self, location: &'static Location<'static>) -> Self {
        self.location = location;
        self
    }

    /// Makes the future a routine, to be given to an executor.
    #[inline]
    pub fn future<F: Future>(self, future: F) -> Carried<F> {
        Carried::new(future, self.start())
    }

    /// Makes the closure a routine, to be given to a pool.
    pub fn job<F, R>(self, f: F) -> impl FnOnce() -> R + use<F, R>
    where
        F: FnOnce() -> R,
    {
        let job = Job::new(f, self.start());
        move || job.run()
    }

    /// Makes the runtime's task of this number a routine, which is found and not wrapped: see
    /// [`runtime::add_tasks`](crate::runtime::add_tasks).
    ///
    /// Whether it runs is not known: it is shown as [`State::Alive`](crate::State::Alive).
    pub fn task(self, tasks: Tasks, number: u64) -> Seat {
        let (cx, birth) = self.birth();
        let live = slot::start(birth, cx.special());
        live.uncounted();
        Seat::new(slot::task_number(tasks.0, number), cx, live)
    }

    /// Makes a stackful coroutine a routine.
    pub fn stack(self) -> Stack {
        let companions = if self.detached { Captured::none() } else { Captured::capture() };
        let (cx, birth) = self.birth();
        let live = slot::start(birth, cx.special());
        Stack::new(cx, live, companions)
    }

    /// Makes the closure the whole of a thread.
    pub(crate) fn thread<F, R>(self, f: F) -> impl FnOnce() -> R + use<F, R>
    where
        F: FnOnce() -> R,
    {
        let job = Job::new(f, self.start());
        move || job.run_as_thread()
    }

    #[inline]
    fn birth(self) -> (Context, Birth) {
        let shared = if self.detached { None } else { identity::capture() };
        let parent = slot::id().as_u64();
        let birth = Birth { parent, kind: self.kind, location: Some(self.location), name: self.name };
        (Context { shared, private: None }, birth)
    }

    #[inline]
    fn start(self) -> (Context, Identity) {
        let companions = if self.detached { Captured::none() } else { Captured::capture() };
        let (cx, birth) = self.birth();
        let who = Identity::own(birth, cx.special(), companions);
        (cx, who)
    }
}
