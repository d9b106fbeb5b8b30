//! The runtimes every promise has to hold on.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use tokio::runtime::{Builder, Runtime};

pub(crate) fn current_thread() -> Runtime {
    routines_tokio::install();
    Builder::new_current_thread().build().expect("a runtime")
}

pub(crate) fn multi_thread() -> Runtime {
    routines_tokio::install();
    Builder::new_multi_thread().worker_threads(2).build().expect("a runtime")
}

/// Both flavours, by name.
pub(crate) fn runtimes() -> [(&'static str, Runtime); 2] {
    [("current_thread", current_thread()), ("multi_thread", multi_thread())]
}

/// Spawned by tokio's own function and awaited.
pub(crate) async fn bare<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(future).await.expect("no panic")
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
}

/// The message of `f`'s panic, and the file and line it is reported at.
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> (String, String, u32) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                return previous(info);
            }
            LAST.set(info.location().map(|l| (l.file().to_owned(), l.line())));
        }));
    });
    QUIET.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(false);
    let Err(payload) = outcome else { panic!("expected a panic") };
    let (file, line) = LAST.take().expect("the hook ran");
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
    (text.unwrap_or_default(), file, line)
}
