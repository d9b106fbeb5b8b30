//! The promises, written once: each way is a function that starts a piece of work and sees it through as it is told.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use routines::{Inherit, Local, RoutineId};

pub(crate) static USER: Local<&str> = Local::new().named("user");
static SECRET: Local<u32> = Local::new().inherit(Inherit::Never);
static DEPTH: Local<u32> = Local::new().derive(|parent| parent + 1);
static TOKEN: Local<Arc<()>> = Local::new();

pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How far work is let come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Its end.
    Done,
    /// It has been polled once.
    Midway,
    /// It was started.
    Started,
}

/// A way: whether to detach, how far to let it come, the work.
pub(crate) type Way = fn(bool, Until, Work);

fn as_ada<R>(f: impl FnOnce() -> R) -> R {
    USER.sync_scope("ada", f)
}

fn seen<R: Send + 'static>(way: Way, detach: bool, see: impl FnOnce() -> R + Send + 'static) -> R {
    let (tell, told) = channel();
    way(detach, Until::Done, Box::pin(async move { tell.send(see()).unwrap() }));
    told.recv().unwrap()
}

pub(crate) fn inherits(way: Way) {
    let me = routines::id();
    let (user, id) = as_ada(|| seen(way, false, || (USER.get(), routines::id())));
    assert_eq!(user, Some("ada"));
    assert!(!id.is_foreign());
    assert_eq!((USER.get(), routines::id()), (None, me));
}

pub(crate) fn detaches(way: Way) {
    assert_eq!(as_ada(|| seen(way, true, || USER.get())), None);
}

pub(crate) fn obeys_policies(way: Way) {
    let seen = DEPTH.sync_scope(1, || SECRET.sync_scope(2, || seen(way, false, || (DEPTH.get(), SECRET.get()))));
    assert_eq!(seen, (Some(2), None));
}

/// Says what is read when work is dropped.
struct Witness(Sender<Option<&'static str>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.send(USER.get()).unwrap();
    }
}

pub(crate) fn survives_panics(way: Way) {
    let (tell, told) = channel();
    let witness = Witness(tell);
    let work = async move {
        let _witness = witness;
        resume_unwind(Box::new("on purpose"));
    };
    drop(catch_unwind(AssertUnwindSafe(|| as_ada(|| way(false, Until::Done, Box::pin(work))))));
    assert_eq!(told.recv().unwrap(), Some("ada"));
    assert_eq!(USER.get(), None);
    assert_eq!(seen(way, true, || USER.get()), None, "no thread was left dirty");
}

pub(crate) fn is_dropped_inside_midway(way: Way) {
    let (tell, told) = channel();
    let witness = Witness(tell);
    let begun = Arc::new(Mutex::new(false));
    let begins = Arc::clone(&begun);
    let work = async move {
        let _witness = witness;
        *begins.lock().unwrap() = true;
        std::future::pending::<()>().await;
    };
    USER.sync_scope("ada", || way(false, Until::Midway, Box::pin(work)));
    assert_eq!(told.recv().unwrap(), Some("ada"));
    assert!(*begun.lock().unwrap(), "it was polled");
}

pub(crate) fn is_dropped_inside_when_it_never_ran(way: Way) {
    let (tell, told) = channel();
    let witness = Witness(tell);
    as_ada(|| way(false, Until::Started, Box::pin(async move { drop(witness) })));
    assert_eq!(told.recv().unwrap(), Some("ada"));
}

pub(crate) fn leaves_nothing(way: Way) {
    let token = Arc::new(());
    let me = routines::id();
    let id = TOKEN.sync_scope(Arc::clone(&token), || {
        seen(way, false, || {
            TOKEN.set(TOKEN.get().unwrap());
            routines::id()
        })
    });
    wait(|| Arc::strong_count(&token) == 1);
    wait(|| id == me || !is_live(id));
}

fn is_live(id: RoutineId) -> bool {
    routines::ids().contains(&id)
}

fn wait(holds: impl Fn() -> bool) {
    assert!(
        (0..10_000_000).any(|_| holds() || {
            std::thread::yield_now();
            false
        }),
        "something is left"
    );
}

/// Makes a module of tests of each way.
macro_rules! ways {
    ($($name:ident: $way:path, [$($cell:ident)*];)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "a way may stand in another module")]
            use super::*;
            $(
                #[test]
                fn $cell() {
                    crate::cells::$cell($way);
                }
            )*
        }
    )*};
}
pub(crate) use ways;
