//! Owns the closure wrapper: runs, or drops, a closure inside its own context.

use std::mem;
use std::panic::Location;

use crate::companion::Captured;
use crate::context::Context;
use crate::identity::{self, Identity};
use crate::registry::{Birth, Kind};
use crate::slot;

/// A closure with the context it will run in.
pub(crate) struct Job<F> {
    work: Option<F>,
    cx: Context,
    who: Identity,
}

impl<F> Job<F> {
    pub(crate) fn new(work: F, (cx, who): (Context, Identity)) -> Self {
        Job { work: Some(work), cx, who }
    }

    /// Runs the closure inside its context; its values die there too.
    pub(crate) fn run<R>(mut self) -> R
    where
        F: FnOnce() -> R,
    {
        let work = self.work.take().expect("a job runs once: `run` takes it by value");
        self.who.settle((0, 0), &mut self.cx);
        let announce = self.who.announce(&self.cx);
        let step = || {
            let _values = slot::Draining;
            if announce {
                slot::announce_current();
            }
            work()
        };
        self.who.run(&mut self.cx, step, |_| false)
        // `self` is dropped here, after the frame, and ends the routine.
    }

    /// Runs the closure as the routine of this very thread, which ends with it.
    pub(crate) fn run_as_thread<R>(mut self) -> R
    where
        F: FnOnce() -> R,
    {
        struct Thread;
        impl Drop for Thread {
            fn drop(&mut self) {
                slot::leave_thread();
            }
        }
        let work = self.work.take().expect("a thread runs once: `run_as_thread` takes it by value");
        let mut cx = mem::take(&mut self.cx);
        let _thread = Thread;
        let (live, companions) = self.who.take();
        if let Some(live) = live {
            slot::adopt_thread(live);
        }
        let run = || {
            let _riding = companions.ride();
            let _values = slot::Draining;
            work()
        };
        slot::run_once(&mut cx, run)
    }
}

impl<F> Drop for Job<F> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.who.drop_work(&mut self.cx, || drop(work));
        }
        self.who.end();
    }
}

/// Binds a closure to the context of the code that calls `bind`: wherever it runs, it runs with these values.
///
/// Called by the routine that bound it, it runs in that routine; called on any other thread (a pool's, say) it is a
/// routine of its own, a child of the binder. The context is captured now, not when the closure runs, and neither side
/// sees the other's later changes. Values of *never* keys are not part of it. A closure dropped without being called is
/// dropped inside its context.
///
/// Costs one pointer copy to capture and an allocation.
///
/// ```
/// use routines::Local;
///
/// static USER: Local<String> = Local::new();
///
/// let greet = USER.sync_scope("ada".into(), || routines::bind(|| format!("hello {}", USER.get().unwrap())));
/// let greeting = std::thread::spawn(greet).join().unwrap();
/// assert_eq!(greeting, "hello ada");
/// ```
#[track_caller]
pub fn bind<F, R>(f: F) -> impl FnOnce() -> R + use<F, R>
where
    F: FnOnce() -> R,
{
    let job = Job::new(f, Identity::inheriting(Kind::Job, Location::caller()));
    move || job.run()
}

/// Binds a callback that is called any number of times, each time in the context captured now.
///
/// Each call runs in a frame of its own: what a call sets ends with the call. Called by the routine that bound it, it runs
/// in that routine; called anywhere else, each call is a routine of its own, a child of the binder. The callback is dropped
/// inside the context. A callback that changes what it owns is for [`bind_mut`].
///
/// ```
/// use routines::Local;
///
/// static USER: Local<String> = Local::new();
///
/// let on_row = USER.sync_scope("ada".into(), || routines::bind_fn(|row: u32| format!("{row} for {}", USER.get().unwrap())));
/// assert_eq!(on_row(1), "1 for ada");
/// assert_eq!(on_row(2), "2 for ada");
/// ```
#[track_caller]
pub fn bind_fn<F, A, R>(f: F) -> impl Fn(A) -> R + use<F, A, R>
where
    F: Fn(A) -> R,
{
    let callback = Callback::new(f);
    move |argument| callback.bound.call(|| callback.work.as_ref().expect(BOUND)(argument))
}

/// As [`bind_fn`], for a callback that changes what it owns.
///
/// ```
/// use routines::Local;
///
/// static USER: Local<&str> = Local::new();
///
/// let mut seen = Vec::new();
/// let mut on_row = USER.sync_scope("ada", || routines::bind_mut(|row: u32| seen.push((row, USER.get()))));
/// on_row(1);
/// on_row(2);
/// drop(on_row);
/// assert_eq!(seen, [(1, Some("ada")), (2, Some("ada"))]);
/// ```
#[track_caller]
pub fn bind_mut<F, A, R>(f: F) -> impl FnMut(A) -> R + use<F, A, R>
where
    F: FnMut(A) -> R,
{
    let mut callback = Callback::new(f);
    move |argument| callback.bound.call(|| callback.work.as_mut().expect(BOUND)(argument))
}

const BOUND: &str = "a callback is there until it is dropped";

/// A closure that is called again and again, each time in the context it was bound in.
struct Callback<F> {
    work: Option<F>,
    bound: Bound,
}

/// A context to run closures in, as often as wanted and at once on as many threads: what [`bind_fn`] is made of.
///
/// For a pool's own crate, whose closures come later than the context and are not `'static`.
///
/// ```
/// use routines::{Bound, Local};
///
/// static USER: Local<&str> = Local::new();
///
/// let bound = USER.sync_scope("ada", Bound::here);
/// std::thread::scope(|scope| {
///     scope.spawn(|| assert_eq!(bound.call(|| USER.get()), Some("ada")));
///     scope.spawn(|| assert_eq!(bound.call(|| USER.get()), Some("ada")));
/// });
/// ```
#[derive(Debug)]
pub struct Bound {
    cx: Context,
    companions: Captured,
    maker: u64,
    location: &'static Location<'static>,
}

impl<F> Callback<F> {
    #[track_caller]
    fn new(work: F) -> Self {
        Callback { work: Some(work), bound: Bound::here() }
    }
}

impl Bound {
    /// Captures the context here.
    #[track_caller]
    pub fn here() -> Self {
        let cx = Context { shared: identity::capture(), private: None };
        let companions = Captured::capture();
        Bound { cx, companions, maker: slot::id().as_u64(), location: Location::caller() }
    }

    /// Runs a closure in it, in a frame of its own: in the routine that captured it, if that calls; anywhere else as a routine
    /// of its own, a child of that.
    pub fn call<R>(&self, work: impl FnOnce() -> R) -> R {
        let mut cx = self.cx.clone();
        if slot::id().as_u64() == self.maker {
            let run = || {
                let _riding = self.companions.ride();
                work()
            };
            return slot::run_once(&mut cx, run);
        }
        let birth = Birth { parent: self.maker, kind: Kind::Job, location: Some(self.location), name: None };
        let who = Identity::own(birth, cx.special(), self.companions.clone());
        Job::new(work, (cx, who)).run()
    }
}

impl<F> Drop for Callback<F> {
    fn drop(&mut self) {
        let work = self.work.take();
        let bound = &mut self.bound;
        let companions = &bound.companions;
        let unbound = || {
            let _riding = companions.ride_out();
            drop(work);
        };
        slot::run_once(&mut bound.cx, unbound);
    }
}
