//! Owns the ways to start work: the rows of the table, each a module with a test per promise.

use routines::Kind;
use routines_tokio::runtime::Handle;
use routines_tokio::task::{Builder, TaskTracker, spawn_local, spawn_local_detached};
use routines_tokio::{spawn, spawn_blocking, spawn_blocking_detached, spawn_detached};

use crate::cells::{self, Way};
use crate::hosts::{hosts, local_hosts, local_runtimes, local_sets, runtimes};
use crate::work::{build_in_set, in_set};

/// The file of all the lines that start work here.
pub(crate) const FILE: &str = file!();

macro_rules! cells {
    ($($cell:ident)*) => {$(
        #[test]
        fn $cell() {
            cells::$cell(&WAY);
        }
    )*};
}

macro_rules! ways {
    (on $hosts:ident, keeping all $($also:ident)* { $($way:ident: $kind:ident, $inherit:expr, $detached:expr;)+ }) => {
        ways!(@each $hosts [$($also)*] $($way: $kind, $inherit, $detached;)+);
    };
    (@each $hosts:ident $also:tt $($way:ident: $kind:ident, $inherit:expr, $detached:expr;)+) => {
        $(ways!(@one $hosts $also $way: $kind, $inherit, $detached);)+
    };
    (@one $hosts:ident [$($also:ident)*] $way:ident: $kind:ident, $inherit:expr, $detached:expr) => {
        mod $way {
            use super::*;

            static WAY: Way = Way { kind: Kind::$kind, hosts: $hosts, inherit: $inherit, detached: $detached };

            cells! {
                the_context_is_captured_at_the_call
                what_it_sets_stays_across_polls
                the_detached_twin_starts_empty
                policies_are_obeyed
                it_is_one_routine_from_the_call_to_the_end
                a_panic_leaves_the_thread_clean_and_no_routine
                an_abort_ends_it_inside_its_context
                aborted_before_it_runs_it_is_dropped_inside_its_context
                a_shutdown_ends_it_inside_its_context
                when_it_is_joined_nothing_of_it_is_left
                $($also)*
            }
        }
    };
}

// Those that ask for the current runtime.
ways! {
    on hosts, keeping all
        started_after_a_shutdown_it_is_dropped_inside_its_context
        started_outside_a_runtime_it_is_dropped_inside_its_context
    {
        root_spawn: Task,
            |_, work| spawn(work.task()).into(),
            |_, work| spawn_detached(work.task()).into();
        root_spawn_blocking: Job,
            |_, work| spawn_blocking(|| work.job()).into(),
            |_, work| spawn_blocking_detached(|| work.job()).into();
        builder_spawn: Task,
            |_, work| Builder::new().name("it").spawn(work.task()).into(),
            |_, work| Builder::new().name("it").detached().spawn(work.task()).into();
        builder_spawn_blocking: Job,
            |_, work| Builder::new().name("it").spawn_blocking(|| work.job()).into(),
            |_, work| Builder::new().detached().spawn_blocking(|| work.job()).into();
        join_set_spawn: Task,
            |_, work| in_set(|set| set.spawn(work.task())),
            |_, work| in_set(|set| set.spawn_detached(work.task()));
        join_set_spawn_blocking: Job,
            |_, work| in_set(|set| set.spawn_blocking(|| work.job())),
            |_, work| in_set(|set| set.spawn_blocking_detached(|| work.job()));
        join_set_builder_spawn: Task,
            |_, work| build_in_set(|set| set.build_task().name("it").spawn(work.task())),
            |_, work| build_in_set(|set| set.build_task().detached().spawn(work.task()));
        join_set_builder_spawn_blocking: Job,
            |_, work| build_in_set(|set| set.build_task().name("it").spawn_blocking(|| work.job())),
            |_, work| build_in_set(|set| set.build_task().detached().spawn_blocking(|| work.job()));
        task_tracker_spawn: Task,
            |_, work| TaskTracker::new().spawn(work.task()).into(),
            |_, work| TaskTracker::new().spawn_detached(work.task()).into();
        task_tracker_spawn_blocking: Job,
            |_, work| TaskTracker::new().spawn_blocking(|| work.job()).into(),
            |_, work| TaskTracker::new().spawn_blocking_detached(|| work.job()).into();
    }
}

// Those that ask for the current `LocalSet` or `LocalRuntime`.
ways! {
    on local_hosts, keeping all
        started_after_a_shutdown_it_is_dropped_inside_its_context
        started_outside_a_runtime_it_is_dropped_inside_its_context
    {
        task_spawn_local: Task,
            |_, work| spawn_local(work.task()).into(),
            |_, work| spawn_local_detached(work.task()).into();
        builder_spawn_local: Task,
            |_, work| Builder::new().name("it").spawn_local(work.task()).into(),
            |_, work| Builder::new().detached().spawn_local(work.task()).into();
        join_set_spawn_local: Task,
            |_, work| in_set(|set| set.spawn_local(work.task())),
            |_, work| in_set(|set| set.spawn_local_detached(work.task()));
        join_set_builder_spawn_local: Task,
            |_, work| build_in_set(|set| set.build_task().name("it").spawn_local(work.task())),
            |_, work| build_in_set(|set| set.build_task().detached().spawn_local(work.task()));
        task_tracker_spawn_local: Task,
            |_, work| TaskTracker::new().spawn_local(work.task()).into(),
            |_, work| TaskTracker::new().spawn_local_detached(work.task()).into();
    }
}

// Those that are told the runtime by its handle.
ways! {
    on hosts, keeping all
        started_after_a_shutdown_it_is_dropped_inside_its_context
    {
        handle_spawn: Task,
            |_, work| Handle::current().spawn(work.task()).into(),
            |host, work| host.handle().spawn_detached(work.task()).into();
        handle_spawn_blocking: Job,
            |_, work| Handle::current().spawn_blocking(|| work.job()).into(),
            |host, work| host.handle().spawn_blocking_detached(|| work.job()).into();
        builder_spawn_on: Task,
            |host, work| Builder::new().spawn_on(work.task(), host.handle()).into(),
            |host, work| Builder::new().detached().spawn_on(work.task(), host.handle()).into();
        builder_spawn_blocking_on: Job,
            |host, work| Builder::new().spawn_blocking_on(|| work.job(), host.handle()).into(),
            |host, work| {
                Builder::new().detached().spawn_blocking_on(|| work.job(), host.handle()).into()
            };
        join_set_spawn_on: Task,
            |host, work| in_set(|set| set.spawn_on(work.task(), host.handle())),
            |host, work| in_set(|set| set.spawn_on_detached(work.task(), host.handle()));
        join_set_spawn_blocking_on: Job,
            |host, work| in_set(|set| set.spawn_blocking_on(|| work.job(), host.handle())),
            |host, work| in_set(|set| set.spawn_blocking_on_detached(|| work.job(), host.handle()));
        join_set_builder_spawn_on: Task,
            |host, work| build_in_set(|set| set.build_task().spawn_on(work.task(), host.handle())),
            |host, work| build_in_set(|set| set.build_task().detached().spawn_on(work.task(), host.handle()));
        join_set_builder_spawn_blocking_on: Job,
            |host, work| build_in_set(|set| set.build_task().spawn_blocking_on(|| work.job(), host.handle())),
            |host, work| {
                build_in_set(|set| set.build_task().detached().spawn_blocking_on(|| work.job(), host.handle()))
            };
        task_tracker_spawn_on: Task,
            |host, work| TaskTracker::new().spawn_on(work.task(), host.handle()).into(),
            |host, work| TaskTracker::new().spawn_on_detached(work.task(), host.handle()).into();
        task_tracker_spawn_blocking_on: Job,
            |host, work| TaskTracker::new().spawn_blocking_on(|| work.job(), host.handle()).into(),
            |host, work| TaskTracker::new().spawn_blocking_on_detached(|| work.job(), host.handle()).into();
    }
}

// Those that need what a shutdown takes away: after it, there is nothing to call them on.
ways! {
    on runtimes, keeping all {
        runtime_spawn: Task,
            |host, work| host.runtime().spawn(work.task()).into(),
            |host, work| host.runtime().spawn_detached(work.task()).into();
        runtime_spawn_blocking: Job,
            |host, work| host.runtime().spawn_blocking(|| work.job()).into(),
            |host, work| host.runtime().spawn_blocking_detached(|| work.job()).into();
    }
}

ways! {
    on local_runtimes, keeping all {
        local_runtime_spawn_local: Task,
            |host, work| host.local_runtime().spawn_local(work.task()).into(),
            |host, work| host.local_runtime().spawn_local_detached(work.task()).into();
        local_runtime_spawn_blocking: Job,
            |host, work| host.local_runtime().spawn_blocking(|| work.job()).into(),
            |host, work| host.local_runtime().spawn_blocking_detached(|| work.job()).into();
    }
}

ways! {
    on local_sets, keeping all {
        local_set_spawn_local: Task,
            |host, work| host.set().spawn_local(work.task()).into(),
            |host, work| host.set().spawn_local_detached(work.task()).into();
        builder_spawn_local_on: Task,
            |host, work| Builder::new().spawn_local_on(work.task(), host.set()).into(),
            |host, work| Builder::new().detached().spawn_local_on(work.task(), host.set()).into();
        join_set_spawn_local_on: Task,
            |host, work| in_set(|set| set.spawn_local_on(work.task(), host.set())),
            |host, work| in_set(|set| set.spawn_local_on_detached(work.task(), host.set()));
        join_set_builder_spawn_local_on: Task,
            |host, work| build_in_set(|set| set.build_task().spawn_local_on(work.task(), host.set())),
            |host, work| build_in_set(|set| set.build_task().detached().spawn_local_on(work.task(), host.set()));
        task_tracker_spawn_local_on: Task,
            |host, work| TaskTracker::new().spawn_local_on(work.task(), host.set()).into(),
            |host, work| TaskTracker::new().spawn_local_on_detached(work.task(), host.set()).into();
    }
}
