//! Something that lives until it is told to end, and checks that do not wait for it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use routines::RoutineInfo;
use routines_inspect::leak::{LeakCheck, Leaks};

/// Ends what waits on the other end when dropped.
pub(crate) type End = Sender<()>;

/// What waits until its end is dropped.
pub(crate) fn until_told() -> (End, impl FnOnce() + Send + 'static) {
    let (end, wait): (End, Receiver<()>) = channel();
    let waiting = move || {
        let _ = wait.recv();
    };
    (end, waiting)
}

/// A check without patience.
#[track_caller]
pub(crate) fn check() -> LeakCheck {
    LeakCheck::new().patience(Duration::ZERO)
}

/// The only routine that is left.
#[track_caller]
pub(crate) fn only(outcome: Result<(), Leaks>) -> RoutineInfo {
    let leaks = outcome.expect_err("something was left");
    let [info] = leaks.routines() else { panic!("not one: {leaks}") };
    info.clone()
}

pub(crate) fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub(crate) fn multi_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime")
}

/// The text of a panic.
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    let payload = outcome.err().expect("a panic");
    payload.downcast_ref::<String>().expect("a formatted message").clone()
}
