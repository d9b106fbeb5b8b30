//! Owns the companion of `tracing`: the current span, and the subscriber of the thread.

use std::fmt::{self, Write};
use std::sync::Arc;

use routines::companion::Companion;
use tracing::dispatcher::{self, DefaultGuard};
use tracing::{Dispatch, Span};

/// Carries the current `tracing` span, and the subscriber if it is a thread's own.
///
/// The span is entered and exited around each run of the child, not closed: it stays open until the last routine that
/// carries it has ended. A subscriber set for the thread (`set_default`, `with_default`) is the default in the child, too;
/// the global one is everywhere already and is not touched. With no span entered and no such subscriber, nothing is carried.
///
/// Inside a subscriber's own functions `tracing` says that there is no span, so work started there carries none.
///
/// ```
/// use routines_companions::tracing::Tracing;
/// use tracing::Span;
///
/// routines::companion::register(Tracing);
///
/// # tracing::subscriber::with_default(tracing_subscriber::registry(), || {
/// let _entered = tracing::info_span!("request").entered();
/// let worker = routines::thread::spawn(|| Span::current().metadata().unwrap().name());
/// assert_eq!(worker.join().unwrap(), "request");
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Tracing;

/// What was current in the parent.
#[derive(Debug)]
pub struct Current {
    subscriber: Option<Dispatch>,
    span: Span,
}

/// What was current in the parent, until dropped.
#[derive(Debug)]
pub struct Entered {
    current: Arc<Current>,
    /// Dropped last: the span is exited under its own subscriber.
    _subscriber: Option<DefaultGuard>,
}

impl Companion for Tracing {
    type State = Arc<Current>;
    type Guard = Entered;

    fn capture(&self) -> Option<Arc<Current>> {
        let subscriber = dispatcher::get_default(|dispatch| is_scoped(dispatch).then(|| dispatch.clone()));
        let span = Span::current();
        let anything = subscriber.is_some() || !span.is_none();
        anything.then(|| Arc::new(Current { subscriber, span }))
    }

    fn enter(&self, current: &Arc<Current>) -> Entered {
        let subscriber = current.subscriber.as_ref().map(dispatcher::set_default);
        // `Span::enter` would lend from the span, and a clone of the span costs more.
        current.span.with_subscriber(|(id, dispatch)| dispatch.enter(id));
        Entered { current: current.clone(), _subscriber: subscriber }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.current.span.with_subscriber(|(id, dispatch)| dispatch.exit(id));
    }
}

/// Whether it is one thread's default. Setting the global one would slow `tracing` down on all threads.
///
/// Only its `Debug` tells; should that change, the global one is set as well, and nothing but speed is lost.
fn is_scoped(dispatch: &Dispatch) -> bool {
    struct Begins(Option<bool>);
    impl Write for Begins {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = Some(text.starts_with("Dispatch::Global"));
            Err(fmt::Error)
        }
    }
    let mut global = Begins(None);
    // The error is ours: the first word is enough.
    let _ = write!(global, "{dispatch:?}");
    global.0 != Some(true)
}
