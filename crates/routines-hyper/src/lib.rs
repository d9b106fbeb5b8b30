//! hyper's background tasks in the context you choose, and bodies that keep their handler's.
//!
//! # Whose context a connection runs in
//!
//! hyper's clients and servers start tasks of their own: one drives each connection of a client's pool, and serves
//! every later request that goes through it; one runs each stream of an HTTP/2 server. They are started by whatever
//! request comes first. If they inherited, that request's id would stand on the lines of all others, and its values
//! would live as long as the connection. What hyper starts, it starts through the executor it is given, and this
//! crate's says which context that means:
//!
//! | [`RoutineExecutor`] | its tasks run in | for |
//! |---|---|---|
//! | [`detached`](RoutineExecutor::detached), the default | an empty context | client pools; anything shared by requests |
//! | [`given`](RoutineExecutor::given) | a snapshot chosen when the executor is made | a connection with values of its own: peer, listener |
//! | [`current`](RoutineExecutor::current) | that of whoever starts the task | a client made for one request; an HTTP/2 server |
//! | [`chosen`](RoutineExecutor::chosen) | what a callback answers at each start | anything else |
//!
//! ```
//! use hyper_util::client::legacy::Client;
//! use http_body_util::Empty;
//! use routines_hyper::RoutineExecutor;
//!
//! // In place of `TokioExecutor::new()`.
//! let client: Client<_, Empty<bytes::Bytes>> = Client::builder(RoutineExecutor::detached()).build_http();
//! ```
//!
//! Nothing else in hyper starts work: its timers are polled by the task that waits for them.
//!
//! # Bodies
//!
//! A response's body is polled after the handler has returned, outside the scope that the handler ran in. [`BodyExt`]
//! makes it carry its context:
//!
//! ```
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use hyper::Response;
//! use routines_hyper::BodyExt as _;
//! use routines_hyper::Carried;
//!
//! async fn handler() -> Response<Carried<Full<Bytes>>> {
//!     Response::new(Full::from("hello").inherit())
//! }
//! ```

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use routines::{Kind, RoutineBuilder, Snapshot};

pub use routines::{BodyExt, Carried};

/// An executor for hyper whose tasks run in a context of your choice, as routines of their own.
///
/// A task is a routine from `execute` until it ends, a child of whoever called it; its line in dumps is the one that
/// made the executor. It runs as if it were spawned by code with the chosen context: values of *never* keys stay
/// behind, *derive* functions make its own. The task is given to the executor inside, tokio's unless [`on`](Self::on)
/// names another.
///
/// Clones choose alike. Costs what starting a routine costs, and nothing more per poll than any carried future.
///
/// ```
/// use hyper::rt::Executor;
/// use routines::{Local, Snapshot};
/// use routines_hyper::RoutineExecutor;
///
/// static PEER: Local<&str> = Local::new();
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let connection = PEER.sync_scope("10.0.0.1", Snapshot::capture);
/// let executor = RoutineExecutor::given(connection);
///
/// let (sender, seen) = tokio::sync::oneshot::channel();
/// executor.execute(async { sender.send(PEER.get()).unwrap() });
/// assert_eq!(seen.await.unwrap(), Some("10.0.0.1"));
/// # }
/// ```
#[derive(Clone)]
#[must_use = "an executor does nothing until it is given to hyper"]
pub struct RoutineExecutor<E = TokioExecutor> {
    inner: E,
    start: Start,
    location: &'static Location<'static>,
}

/// Which context tasks start in.
#[derive(Clone)]
enum Start {
    Current,
    Given(Snapshot),
    Chosen(Arc<dyn Fn() -> Option<Snapshot> + Send + Sync>),
}

impl Start {
    /// The context to start in, if not the current one.
    fn elsewhere(&self) -> Option<Snapshot> {
        match self {
            Start::Current => None,
            Start::Given(snapshot) => Some(snapshot.clone()),
            Start::Chosen(choose) => Some(choose().unwrap_or_default()),
        }
    }
}

impl RoutineExecutor {
    /// Tasks start with an empty context: for client pools and whatever else serves more than one request.
    #[track_caller]
    pub fn detached() -> Self {
        RoutineExecutor::new(Start::Given(Snapshot::empty()))
    }

    /// Tasks start in this context, which the executor keeps alive.
    #[track_caller]
    pub fn given(context: Snapshot) -> Self {
        RoutineExecutor::new(Start::Given(context))
    }

    /// Tasks inherit from whoever starts them.
    ///
    /// For a client made for one request, and for HTTP/2 servers, whose streams are started by their connection. Not
    /// for a pool: a connection would keep the context of the request that happened to open it, and show it in all that
    /// come after.
    #[track_caller]
    pub fn current() -> Self {
        RoutineExecutor::new(Start::Current)
    }

    /// Asks `choose` each time a task is started, in the code that starts it; `None` is an empty context.
    ///
    /// A panic in `choose` reaches that code, and nothing is started.
    ///
    /// ```
    /// use routines::{Local, Snapshot};
    /// use routines_hyper::RoutineExecutor;
    ///
    /// static TENANT: Local<String> = Local::new();
    /// static REQUEST_ID: Local<String> = Local::new();
    ///
    /// // A pool for each tenant: its connections are the tenant's, but no single request's.
    /// let executor = RoutineExecutor::chosen(|| Some(Snapshot::capture().only(&[&TENANT])));
    /// # drop(executor);
    /// ```
    #[track_caller]
    pub fn chosen(choose: impl Fn() -> Option<Snapshot> + Send + Sync + 'static) -> Self {
        RoutineExecutor::new(Start::Chosen(Arc::new(choose)))
    }

    #[track_caller]
    fn new(start: Start) -> Self {
        RoutineExecutor { inner: TokioExecutor::new(), start, location: Location::caller() }
    }
}

impl<E> RoutineExecutor<E> {
    /// Lets another executor run the tasks.
    pub fn on<I>(self, inner: I) -> RoutineExecutor<I> {
        RoutineExecutor { inner, start: self.start, location: self.location }
    }
}

/// [`RoutineExecutor::detached`].
impl Default for RoutineExecutor {
    #[track_caller]
    fn default() -> Self {
        RoutineExecutor::detached()
    }
}

impl<E, F> Executor<F> for RoutineExecutor<E>
where
    E: Executor<Carried<F>>,
    F: Future,
{
    fn execute(&self, future: F) {
        let start = || {
            let task = RoutineBuilder::new(Kind::Task).location(self.location).future(future);
            // Inside the scope, too: where runtime hooks look at spawns, they see the chosen context and keep no other.
            self.inner.execute(task);
        };
        match self.start.elsewhere() {
            Some(context) => context.sync_scope(start),
            None => start(),
        }
    }
}

impl<E: fmt::Debug> fmt::Debug for RoutineExecutor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: &dyn fmt::Debug = match &self.start {
            Start::Current => &"current",
            Start::Given(snapshot) => snapshot,
            Start::Chosen(_) => &"chosen",
        };
        f.debug_struct("RoutineExecutor").field("inner", &self.inner).field("start", start).finish()
    }
}
