//! Owns the twin of `std::thread`: the same names, with a context that crosses.

use std::io;
use std::panic::Location;
use std::thread::{JoinHandle, ScopedJoinHandle};

use crate::registry::Kind;
use crate::start::RoutineBuilder;

/// Spawns a thread that inherits the current context; otherwise [`std::thread::spawn`].
///
/// The thread is a routine from this call until `f` returns. Its values are gone when `f` returns, before anyone who
/// joins it goes on.
///
/// # Panics
///
/// If the operating system cannot start a thread; [`Builder::spawn`] returns that error instead.
///
/// ```
/// use routines::{Local, thread};
///
/// static USER: Local<&str> = Local::new();
///
/// let seen = USER.sync_scope("ada", || thread::spawn(|| USER.get()).join().unwrap());
/// assert_eq!(seen, Some("ada"));
/// ```
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(f).expect("failed to spawn thread")
}

/// Spawns a thread that starts with an empty context; otherwise [`spawn`].
///
/// # Panics
///
/// If the operating system cannot start a thread.
#[track_caller]
pub fn spawn_detached<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().detached().spawn(f).expect("failed to spawn thread")
}

/// The twin of [`std::thread::Builder`].
///
/// ```
/// use routines::thread;
///
/// let name = thread::Builder::new().name("indexer").spawn(|| routines::current().name()).unwrap().join().unwrap();
/// assert_eq!(name.as_deref(), Some("indexer"));
/// ```
#[derive(Debug)]
#[must_use = "call `spawn` to start the thread"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
    routine: RoutineBuilder,
}

impl Default for Builder {
    #[track_caller]
    fn default() -> Self {
        Builder::new()
    }
}

impl Builder {
    /// A thread with a default name and stack, inheriting the context.
    #[track_caller]
    pub fn new() -> Self {
        Builder { name: None, stack_size: None, routine: RoutineBuilder::at(Kind::Thread, Location::caller()) }
    }

    /// Names the thread, and its routine.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the stack size in bytes.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Starts the thread with an empty context.
    pub fn detached(mut self) -> Self {
        self.routine = self.routine.detached();
        self
    }

    /// Spawns the thread.
    ///
    /// # Errors
    ///
    /// If the operating system cannot start a thread, or the name holds a null byte.
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (thread, routine) = self.split()?;
        thread.spawn(routine.thread(f))
    }

    /// Spawns the thread into a [`scope`].
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    pub fn spawn_scoped<'scope, 'env, F, T>(
        self,
        scope: Scope<'scope, 'env>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let (thread, routine) = self.split()?;
        thread.spawn_scoped(scope.0, routine.thread(f))
    }

    fn split(self) -> io::Result<(std::thread::Builder, RoutineBuilder)> {
        let (mut thread, mut routine) = (std::thread::Builder::new(), self.routine);
        if let Some(name) = self.name {
            if name.contains('\0') {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a thread name cannot hold a null byte"));
            }
            routine = routine.name(name.as_str());
            thread = thread.name(name);
        }
        if let Some(bytes) = self.stack_size {
            thread = thread.stack_size(bytes);
        }
        Ok((thread, routine))
    }
}

/// The twin of [`std::thread::Scope`]: spawns threads that may borrow and that inherit the context.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'scope, 'env: 'scope>(&'scope std::thread::Scope<'scope, 'env>);

impl<'scope> Scope<'scope, '_> {
    /// Spawns a thread that inherits the current context.
    ///
    /// # Panics
    ///
    /// If the operating system cannot start a thread; [`Builder::spawn_scoped`] returns that error instead.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        Builder::new().spawn_scoped(self, f).expect("failed to spawn thread")
    }
}

/// The twin of [`std::thread::scope`].
///
/// # Panics
///
/// As [`std::thread::scope`]: if a thread that was not joined panicked.
///
/// ```
/// use routines::{Local, thread};
///
/// static USER: Local<&str> = Local::new();
///
/// let words = [1, 2, 3];
/// let seen = USER.sync_scope("ada", || {
///     thread::scope(|s| s.spawn(|| (USER.get(), words.len())).join().unwrap())
/// });
/// assert_eq!(seen, (Some("ada"), 3));
/// ```
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(Scope<'scope, 'env>) -> T,
{
    std::thread::scope(|s| f(Scope(s)))
}
