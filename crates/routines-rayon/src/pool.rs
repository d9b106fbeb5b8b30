//! Owns what a pool of one's own does with a context.

use rayon::ThreadPool;
use routines::{Kind, RoutineBuilder, bind};

/// The functions of this crate, on a pool of one's own.
///
/// ```
/// use routines::Local;
/// use routines_rayon::ThreadPoolExt;
///
/// static USER: Local<&str> = Local::new();
///
/// let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
/// let seen = USER.sync_scope("ada", || pool.install_inherited(|| USER.get()));
/// assert_eq!((seen, pool.install(|| USER.get())), (Some("ada"), None));
/// ```
pub trait ThreadPoolExt {
    /// Runs a closure on the pool in the caller's context and returns its result; otherwise [`ThreadPool::install`].
    #[track_caller]
    fn install_inherited<F, R>(&self, f: F) -> R
    where
        F: FnOnce() -> R + Send,
        R: Send;

    /// Runs two closures on the pool in the caller's context; otherwise [`ThreadPool::join`].
    #[track_caller]
    fn join_inherited<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send;

    /// Runs a closure on the pool some time, in the caller's context; otherwise [`ThreadPool::spawn`].
    #[track_caller]
    fn spawn_inherited<F>(&self, f: F)
    where
        F: FnOnce() + Send + 'static;

    /// Runs a closure on the pool some time, with an empty context.
    #[track_caller]
    fn spawn_detached<F>(&self, f: F)
    where
        F: FnOnce() + Send + 'static;
}

impl ThreadPoolExt for ThreadPool {
    #[track_caller]
    fn install_inherited<F, R>(&self, f: F) -> R
    where
        F: FnOnce() -> R + Send,
        R: Send,
    {
        self.install(bind(f))
    }

    #[track_caller]
    fn join_inherited<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.join(bind(a), bind(b))
    }

    #[track_caller]
    fn spawn_inherited<F>(&self, f: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.spawn(RoutineBuilder::new(Kind::Job).job(f));
    }

    #[track_caller]
    fn spawn_detached<F>(&self, f: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.spawn(RoutineBuilder::new(Kind::Job).detached().job(f));
    }
}
