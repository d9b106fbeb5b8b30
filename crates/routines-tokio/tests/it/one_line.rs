//! Switching from tokio is a change of one `use` line: the same source, compiled with either.

use routines::Local;

static KEY: Local<u32> = Local::new();

/// A program that uses what tokio offers to start work, with its names, arguments and types.
macro_rules! program {
    ($name:ident uses $tokio:ident) => {
        mod $name {
            use std::time::Duration;

            use $tokio::runtime::{EnterGuard, Handle, LocalRuntime, Runtime, RuntimeFlavor, TryCurrentError};
            use $tokio::spawn;
            use $tokio::task::{self, AbortHandle, Id, JoinError, JoinHandle, JoinSet, LocalSet, yield_now};

            use super::KEY;

            type Value = Option<u32>;

            async fn value() -> Value {
                yield_now().await;
                KEY.get()
            }

            async fn set(set: &LocalSet) -> Vec<Value> {
                let mut tasks: JoinSet<Value> = JoinSet::new();
                let handle: Handle = Handle::current();
                let _: AbortHandle = tasks.spawn(value());
                let _: AbortHandle = tasks.spawn_on(value(), &handle);
                let _: AbortHandle = tasks.spawn_local(value());
                let _: AbortHandle = tasks.spawn_local_on(value(), set);
                let _: AbortHandle = tasks.spawn_blocking(|| KEY.get());
                let _: AbortHandle = tasks.spawn_blocking_on(|| KEY.get(), &handle);
                tasks.extend([value(), value()]);
                assert!(tasks.len() == 8 && !tasks.is_empty());
                let first: Option<Result<(Id, Value), JoinError>> = tasks.join_next_with_id().await;
                let mut seen = tasks.join_all().await;
                seen.extend(first.map(|first| first.expect("no panic").1));
                let mut collected: JoinSet<Value> = [value()].into_iter().collect();
                seen.extend(collected.join_next().await.map(|next| next.expect("no panic")));
                collected.abort_all();
                collected.detach_all();
                collected.shutdown().await;
                seen
            }

            async fn tasks(set: &LocalSet) -> Vec<Value> {
                let handles: [JoinHandle<Value>; 6] = [
                    spawn(value()),
                    task::spawn(value()),
                    task::spawn_blocking(|| KEY.get()),
                    task::spawn_local(value()),
                    set.spawn_local(value()),
                    spawn(task::unconstrained(value())),
                ];
                let mut seen = Vec::new();
                for handle in handles {
                    seen.push(handle.await.expect("no panic"));
                }
                seen
            }

            fn through(handle: &Handle) -> Vec<Value> {
                let _entered: EnterGuard<'_> = handle.enter();
                let current: Result<Handle, TryCurrentError> = Handle::try_current();
                assert!(current.is_ok_and(|current| current.runtime_flavor() == RuntimeFlavor::MultiThread));
                let handles = [handle.spawn(value()), handle.spawn_blocking(|| KEY.get())];
                handles.map(|handle| futures(handle)).into()
            }

            fn futures(handle: JoinHandle<Value>) -> Value {
                Handle::current().block_on(handle).expect("no panic")
            }

            pub(super) fn run() -> Vec<Value> {
                let runtime: Runtime = Runtime::new().expect("a runtime");
                let local: LocalSet = LocalSet::default();
                let mut seen = local.block_on(&runtime, set(&local));
                seen.extend(runtime.block_on(local.run_until(tasks(&local))));
                runtime.block_on(local);
                seen.extend(through(runtime.handle()));
                let handles = [runtime.spawn(value()), runtime.spawn_blocking(|| task::block_in_place(|| KEY.get()))];
                seen.extend(handles.map(|handle| runtime.block_on(handle).expect("no panic")));
                runtime.shutdown_timeout(Duration::from_secs(10));

                let runtime: LocalRuntime = LocalRuntime::new().expect("a runtime");
                let handles = [
                    runtime.spawn_local(value()),
                    runtime.spawn_blocking(|| KEY.get()),
                    runtime.handle().spawn(value()),
                ];
                seen.extend(handles.map(|handle| runtime.block_on(handle).expect("no panic")));
                runtime.shutdown_background();
                seen
            }
        }
    };
}

program!(before uses tokio);
program!(after uses routines_tokio);

#[test]
fn the_same_source_compiles_with_either_use_line_and_with_ours_the_context_arrives() {
    routines_tokio::install();
    let (before, after) = KEY.sync_scope(1, || (before::run(), after::run()));
    assert_eq!(before.len(), after.len());
    assert!(before.iter().all(Option::is_none), "{before:?}");
    assert!(after.iter().all(|value| *value == Some(1)), "{after:?}");
}
