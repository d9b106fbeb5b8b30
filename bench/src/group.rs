//! The tables of the report: their names, what their figures mean, and their order.

/// A table of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Group {
    /// What the machine charges for the pieces everything else is made of.
    Floors,
    /// Asking who one is.
    Id,
    /// Reading a value.
    Get,
    /// Replacing a value where it stands.
    Set,
    /// Entering and leaving a scope with one value.
    Scope,
    /// Taking a snapshot and running in it.
    Snapshot,
    /// Changing one value after a snapshot was taken.
    FirstSet,
    /// What a wrapper adds to a poll.
    Poll,
    /// [`Group::Id`] inside a tokio task.
    TaskId,
    /// [`Group::Get`] inside a tokio task.
    TaskGet,
    /// [`Group::Set`] inside a tokio task.
    TaskSet,
    /// [`Group::Scope`] inside a tokio task.
    TaskScope,
    /// [`Group::Poll`] inside a tokio task.
    TaskPoll,
    /// Spawning a tokio task and awaiting it.
    Spawn,
    /// Spawning a plain task on a runtime with hooks and awaiting it.
    HookSpawn,
    /// The same from two tasks of one runtime at once.
    HookWorkers,
    /// A poll of a plain task on such a runtime.
    HookPoll,
    /// Reading and writing in such a task.
    HookRead,
    /// Cancelling, and asking whether one is cancelled.
    Cancel,
    /// [`Group::Cancel`] inside a tokio task, and deadlines.
    TaskCancel,
    /// [`Group::Spawn`] under a deadline.
    CancelSpawn,
    /// Reading and writing the headers of requests.
    Wire,
    /// What tower layers add to a call.
    Layers,
    /// Blocking jobs and threads.
    Jobs,
    /// The same on two threads at once.
    Threads,
}

/// What the figures of a table are held against, besides the yardsticks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// Nothing.
    Nothing,
    /// The row of the peer [`BARE`], the one of the same case if there are several: the others show what they *add* to it.
    AddedToBare,
    /// The same row: the others also show by how much they exceed it.
    MoreThanBare,
    /// The same case on one thread.
    OneThread,
}

/// The peer that stands for "without any of this".
pub(crate) const BARE: &str = "bare";

impl Group {
    /// All tables, in the order of the report.
    pub(crate) const ALL: [Self; 25] = [
        Self::Floors,
        Self::Id,
        Self::Get,
        Self::Set,
        Self::Scope,
        Self::Snapshot,
        Self::FirstSet,
        Self::Poll,
        Self::TaskId,
        Self::TaskGet,
        Self::TaskSet,
        Self::TaskScope,
        Self::TaskPoll,
        Self::Spawn,
        Self::HookSpawn,
        Self::HookWorkers,
        Self::HookPoll,
        Self::HookRead,
        Self::Cancel,
        Self::TaskCancel,
        Self::CancelSpawn,
        Self::Wire,
        Self::Layers,
        Self::Jobs,
        Self::Threads,
    ];

    /// The name in JSON and in the list of cases.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::Floors => "floors",
            Self::Id => "id",
            Self::Get => "get",
            Self::Set => "set",
            Self::Scope => "scope",
            Self::Snapshot => "snapshot",
            Self::FirstSet => "first-set",
            Self::Poll => "poll",
            Self::TaskId => "task-id",
            Self::TaskGet => "task-get",
            Self::TaskSet => "task-set",
            Self::TaskScope => "task-scope",
            Self::TaskPoll => "task-poll",
            Self::Spawn => "spawn",
            Self::HookSpawn => "hook-spawn",
            Self::HookWorkers => "hook-workers",
            Self::HookPoll => "hook-poll",
            Self::HookRead => "hook-read",
            Self::Cancel => "cancel",
            Self::TaskCancel => "task-cancel",
            Self::CancelSpawn => "cancel-spawn",
            Self::Wire => "wire",
            Self::Layers => "layers",
            Self::Jobs => "jobs",
            Self::Threads => "threads",
        }
    }

    /// The table of that name.
    pub(crate) fn of_slug(slug: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::slug).join(", ");
        Self::ALL.into_iter().find(|group| group.slug() == slug).ok_or_else(|| format!("the tables are {}", names()))
    }

    /// The heading, with what the figures mean.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Floors => "Floors: what this machine charges for the pieces",
            Self::Id => "Current id, no runtime involved",
            Self::Get => "Get, no runtime involved",
            Self::Set => "Set in place (the context is not captured), no runtime involved",
            Self::Scope => "Scope: enter and exit, no runtime involved",
            Self::Snapshot => "Snapshot and restore",
            Self::FirstSet => "First set after a snapshot (capture, set, let the snapshot go)",
            Self::Poll => "Per poll, no runtime involved: added to a bare poll through a `dyn Future`",
            Self::TaskId => "Current id inside a tokio task",
            Self::TaskGet => "Get inside a tokio task",
            Self::TaskSet => "Set in place inside a tokio task",
            Self::TaskScope => "Scope inside a tokio task",
            Self::TaskPoll => "Per poll inside a tokio task: added to a bare poll",
            Self::Spawn => "Spawn and join on tokio's current-thread runtime, carrying so many values",
            Self::HookSpawn => "Plain `tokio::spawn` and join under runtime hooks",
            Self::HookWorkers => "The same on one runtime with two workers, from two tasks at once",
            Self::HookPoll => "A plain task's poll by tokio's scheduler: what hooks add",
            Self::HookRead => "In a plain task under runtime hooks, nothing wrapped",
            Self::Cancel => "Cancellation, no runtime involved",
            Self::TaskCancel => "Cancellation and deadlines inside a tokio task",
            Self::CancelSpawn => "Spawn and join under a deadline",
            Self::Wire => "Headers, inside a tokio task",
            Self::Layers => "Tower layers inside a tokio task: added to a call of the bare service",
            Self::Jobs => "Blocking jobs and threads: start and join",
            Self::Threads => "Two threads at once, against one",
        }
    }

    /// What its figures are held against.
    pub(crate) fn against(self) -> Against {
        match self {
            Self::Poll | Self::TaskPoll | Self::HookPoll | Self::Layers => Against::AddedToBare,
            Self::Spawn | Self::CancelSpawn | Self::HookSpawn | Self::HookWorkers => Against::MoreThanBare,
            Self::Threads => Against::OneThread,
            _ => Against::Nothing,
        }
    }
}
