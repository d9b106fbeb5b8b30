//! Owns the twin of `corosensei::Coroutine`.

use std::fmt;

use corosensei::stack::{DefaultStack, Stack};
use corosensei::{CoroutineResult, Yielder};
use routines::{Kind, RoutineBuilder, RoutineId, runtime};

/// The twin of [`corosensei::Coroutine`]: a routine with the context of the code that makes it.
///
/// The context is captured when it is made. It is current from each [`resume`](Self::resume) to the next yield, and while an
/// unfinished coroutine's stack is unwound; the resumer's own is back afterwards, also on panic. What the coroutine sets, and
/// scopes it is inside of, stay with it while it is suspended.
///
/// Costs about 20 ns a resume, and a registry record.
///
/// ```
/// use corosensei::CoroutineResult::{Return, Yield};
/// use routines::Local;
/// use routines_coroutine::Coroutine;
///
/// static USER: Local<&str> = Local::new();
///
/// let mut greeter = USER.sync_scope("ada", || {
///     Coroutine::new(|yielder, greeting: &str| {
///         let mut greeting = greeting;
///         for _ in 0..2 {
///             greeting = yielder.suspend(format!("{greeting}, {}", USER.get().unwrap()));
///         }
///     })
/// });
/// assert!(matches!(greeter.resume("hello"), Yield(text) if text == "hello, ada"));
/// assert_eq!(USER.get(), None);
/// assert!(matches!(greeter.resume("bye"), Yield(text) if text == "bye, ada"));
/// assert!(matches!(greeter.resume(""), Return(())));
/// ```
pub struct Coroutine<Input, Yield, Return, S: Stack = DefaultStack> {
    coroutine: Option<corosensei::Coroutine<Input, Yield, Return, S>>,
    /// Gone once it has returned.
    routine: Option<runtime::Stack>,
    id: RoutineId,
}

impl<Input, Yield, Return> Coroutine<Input, Yield, Return> {
    /// A coroutine that inherits the current context.
    ///
    /// # Panics
    ///
    /// If its stack cannot be allocated, as [`corosensei::Coroutine::new`].
    #[track_caller]
    pub fn new<F>(f: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        Self::of(corosensei::Coroutine::new(f), RoutineBuilder::new(Kind::Coroutine))
    }

    /// A coroutine that starts with an empty context; otherwise [`new`](Self::new).
    ///
    /// # Panics
    ///
    /// If its stack cannot be allocated.
    #[track_caller]
    pub fn detached<F>(f: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        Self::of(corosensei::Coroutine::new(f), RoutineBuilder::new(Kind::Coroutine).detached())
    }
}

impl<Input, Yield, Return, S: Stack> Coroutine<Input, Yield, Return, S> {
    /// A coroutine on a stack of the caller's choice; otherwise [`new`](Self::new).
    #[track_caller]
    pub fn with_stack<F>(stack: S, f: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
        S: 'static,
    {
        Self::of(corosensei::Coroutine::with_stack(stack, f), RoutineBuilder::new(Kind::Coroutine))
    }

    /// Makes a coroutine that exists and has not been resumed yet the routine that `builder` describes.
    pub fn of(coroutine: corosensei::Coroutine<Input, Yield, Return, S>, builder: RoutineBuilder) -> Self {
        let routine = builder.stack();
        Coroutine { coroutine: Some(coroutine), id: routine.id(), routine: Some(routine) }
    }

    /// The routine's id.
    pub fn routine_id(&self) -> RoutineId {
        self.id
    }

    /// Runs the coroutine, in its context, until it yields or returns. When it has returned, its routine has ended.
    ///
    /// # Panics
    ///
    /// If it has returned already; and with the coroutine's own panic, after which it counts as returned.
    #[track_caller]
    pub fn resume(&mut self, input: Input) -> CoroutineResult<Yield, Return> {
        /// Also when the coroutine panics.
        struct EndsIfDone<'a, I, Y, R, S: Stack>(&'a mut Coroutine<I, Y, R, S>);
        impl<I, Y, R, S: Stack> Drop for EndsIfDone<'_, I, Y, R, S> {
            fn drop(&mut self) {
                if self.0.done() {
                    self.0.routine = None;
                }
            }
        }
        let this = EndsIfDone(self);
        match (&mut this.0.coroutine, &mut this.0.routine) {
            (Some(coroutine), Some(routine)) => routine.run(|| coroutine.resume(input)),
            _ => panic!("a coroutine was resumed after it had returned; `done` tells whether it has"),
        }
    }

    /// Whether it was resumed at least once.
    pub fn started(&self) -> bool {
        self.coroutine.as_ref().is_some_and(corosensei::Coroutine::started)
    }

    /// Whether it has returned, panicked or been unwound.
    pub fn done(&self) -> bool {
        self.coroutine.as_ref().is_none_or(corosensei::Coroutine::done)
    }

    /// Unwinds a suspended coroutine's stack, in its context; then it is [`done`](Self::done).
    pub fn force_unwind(&mut self) {
        if let (Some(coroutine), Some(routine)) = (&mut self.coroutine, &mut self.routine) {
            routine.run(|| coroutine.force_unwind());
        }
        self.routine = None;
    }
}

impl<Input, Yield, Return, S: Stack> Drop for Coroutine<Input, Yield, Return, S> {
    fn drop(&mut self) {
        let coroutine = self.coroutine.take();
        match &mut self.routine {
            // What lives on its stack is dropped in its context.
            Some(routine) => routine.run(|| drop(coroutine)),
            None => drop(coroutine),
        }
    }
}

impl<Input, Yield, Return, S: Stack> fmt::Debug for Coroutine<Input, Yield, Return, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coroutine").field("routine", &self.id).field("done", &self.done()).finish()
    }
}
