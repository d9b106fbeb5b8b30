//! Owns the set-up of flow without wrappers: what a runtime is told before it is built.

use std::panic::Location;

use tokio::runtime::Builder;

use crate::policy::Policy;
pub use crate::policy::Relation;

/// Makes every task of a runtime inherit, also those that are spawned by plain `tokio::spawn` in code that nobody changed.
///
/// Needs a build with `RUSTFLAGS="--cfg tokio_unstable"`: only then tokio tells of spawns. Without it the same source
/// compiles, and [`install`](Self::install) says once on standard error what is missing; wrapped spawns work all the same.
///
/// A task is listed as a routine from the spawn to its end, and the context is captured in the spawn call, from the code
/// that makes it. Nothing is done per poll; the task's first access on a thread looks its routine up. Tasks that tokio's
/// hooks do not tell of - `spawn_blocking`, `LocalSet::spawn_local` - still need this crate's functions.
///
/// One runtime has one hook of each kind, so a hook of your own set on the builder afterwards would replace this one, and
/// the other way round. Give yours to this builder instead: any number of them run beside ours.
///
/// ```
/// use routines::Local;
/// use routines_tokio::Flow;
///
/// static USER: Local<&str> = Local::new();
///
/// let mut builder = tokio::runtime::Builder::new_current_thread();
/// Flow::new().install(&mut builder);
/// builder.build().unwrap().block_on(USER.scope("ada", async {
///     let user = tokio::spawn(async { USER.get() }).await.unwrap();
///     assert_eq!(user, if Flow::is_supported() { Some("ada") } else { None });
/// }));
/// ```
#[derive(Default)]
#[must_use = "call `install` to tell a runtime's builder"]
pub struct Flow {
    pub(crate) policy: Policy,
    pub(crate) on_spawn: Vec<Hook>,
    pub(crate) on_terminate: Vec<Hook>,
}

/// A callback that is told of a task.
pub(crate) type Hook = Box<dyn Fn(&Task) + Send + Sync>;

/// What is known of a task when it is spawned, or has ended.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    id: tokio::task::Id,
    spawned_at: &'static Location<'static>,
}

impl Task {
    #[cfg_attr(not(tokio_unstable), expect(dead_code, reason = "only hooks make one"))]
    pub(crate) fn new(id: tokio::task::Id, spawned_at: &'static Location<'static>) -> Self {
        Task { id, spawned_at }
    }

    /// tokio's id of the task.
    pub fn id(&self) -> tokio::task::Id {
        self.id
    }

    /// The line of the spawn.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }
}

impl Flow {
    /// Every task inherits, except those that are known to serve more than the request that happens to start them: see
    /// [`DETACHED`](Self::DETACHED).
    pub fn new() -> Self {
        Flow::default()
    }

    /// The places whose tasks start empty unless [`inherit`](Self::inherit) says otherwise: connection pools, connection
    /// drivers, accept loops and buffers of crates in wide use. One of those that inherited would keep the context of the
    /// first request it served for as long as it lives.
    pub const DETACHED: &[&str] = crate::policy::DETACHED;

    /// Whether this build can carry context through plain spawns.
    pub const fn is_supported() -> bool {
        cfg!(tokio_unstable)
    }

    /// Tasks spawned in this place start with an empty context.
    ///
    /// A place is a crate (`"bb8"`), a file of a crate (`"hyper-util/src/rt/tokio.rs"`), or the end of a path
    /// (`"src/accept.rs"`). The place named last decides, then [`DETACHED`](Self::DETACHED).
    pub fn detach(mut self, place: impl Into<String>) -> Self {
        self.policy.add(place.into(), Relation::Detached);
        self
    }

    /// Tasks spawned in this place inherit: see [`detach`](Self::detach).
    pub fn inherit(mut self, place: impl Into<String>) -> Self {
        self.policy.add(place.into(), Relation::Inherit);
        self
    }

    /// Asks `decide` at each spawn, in the code that spawns; `None` leaves the decision to the places.
    ///
    /// A panic in it is caught, and leaves the decision to the places too.
    pub fn decide(mut self, decide: impl Fn(&Task) -> Option<Relation> + Send + Sync + 'static) -> Self {
        self.policy.decide_by(Box::new(decide));
        self
    }

    /// Calls `hook` at each spawn, in the code that spawns, when the new task is a routine already.
    ///
    /// A panic in it is caught: out of tokio's own hook it would leave a task that never runs. Tasks that a hook spawns are
    /// routines, and are not told to hooks.
    pub fn on_task_spawn(mut self, hook: impl Fn(&Task) + Send + Sync + 'static) -> Self {
        self.on_spawn.push(Box::new(hook));
        self
    }

    /// Calls `hook` when a task has ended, also for what tokio never told the spawn of: blocking jobs, workers.
    ///
    /// A panic in it is caught.
    pub fn on_task_terminate(mut self, hook: impl Fn(&Task) + Send + Sync + 'static) -> Self {
        self.on_terminate.push(Box::new(hook));
        self
    }

    /// Tells `builder`, which sets all of tokio's task hooks it needs, and returns it.
    ///
    /// Companions registered by now ([`routines::companion`]) are entered around each poll; with none there is no poll hook.
    pub fn install(self, builder: &mut Builder) -> &mut Builder {
        crate::install();
        self.install_hooks(builder)
    }

    #[cfg(tokio_unstable)]
    fn install_hooks(self, builder: &mut Builder) -> &mut Builder {
        crate::hooks::install(self, builder)
    }

    #[cfg(not(tokio_unstable))]
    fn install_hooks(self, builder: &mut Builder) -> &mut Builder {
        static SAID: std::sync::Once = std::sync::Once::new();
        SAID.call_once(|| {
            eprintln!(
                "routines-tokio: built without `--cfg tokio_unstable`, so tasks spawned by plain `tokio::spawn` start with an \
                 empty context. Set RUSTFLAGS=\"--cfg tokio_unstable\" (or `build.rustflags` in .cargo/config.toml), or spawn \
                 with `routines_tokio::spawn`."
            );
        });
        builder
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow").field("policy", &self.policy).finish_non_exhaustive()
    }
}
