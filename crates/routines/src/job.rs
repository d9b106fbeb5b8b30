//! Owns the closure wrapper: runs, or drops, a closure inside its own context.

use std::cell::Cell;
use std::panic::Location;

use crate::context::Context;
use crate::identity::Identity;
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
        slot::run(&mut self.cx, self.who.who(), step, |_| false)
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
        let mut cx = std::mem::take(&mut self.cx);
        if let Identity::Own { live, .. } = &mut self.who
            && let Some(live) = live.take()
        {
            slot::adopt_thread(live);
        }
        let _thread = Thread;
        slot::run_once(&mut cx, work)
    }
}

impl<F> Drop for Job<F> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.who.settle_dropped(&mut self.cx);
            let shown = Cell::new(self.cx.has_special());
            let unrun = || {
                let _values = slot::Values(&shown);
                drop(work);
            };
            slot::run(&mut self.cx, self.who.who(), unrun, |_| false);
            if shown.get() {
                self.who.mark_announced();
            }
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
/// in that routine; called anywhere else, each call is a routine of its own, a child of the binder.
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
    let location = Location::caller();
    let (cx, _) = Identity::inheriting(Kind::Job, location);
    let maker = slot::id().as_u64();
    move |argument| {
        if slot::id().as_u64() == maker {
            return slot::run_once(&mut cx.clone(), || f(argument));
        }
        let birth = Birth { parent: maker, kind: Kind::Job, location: Some(location), name: None };
        let who = Identity::own(birth, cx.special());
        Job::new(|| f(argument), (cx.clone(), who)).run()
    }
}
