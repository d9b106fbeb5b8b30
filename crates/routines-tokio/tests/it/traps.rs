//! The traps that need tokio.

use routines::{Local, Snapshot};
use tokio::task::{LocalSet, yield_now};

use crate::support::{bare, current_thread, runtimes};

static KEY: Local<u32> = Local::new();

#[test]
fn w08_a_bare_task_on_a_local_set_or_current_thread_runtime_does_not_see_its_hosts_values() {
    KEY.sync_scope(1, || {
        for (name, runtime) in runtimes() {
            let seen = runtime.block_on(bare(async { (KEY.get(), Snapshot::capture().sync_scope(|| KEY.get())) }));
            assert_eq!(seen, (None, None), "{name}");
        }
        let set = LocalSet::new();
        let seen = set.block_on(&current_thread(), async { tokio::task::spawn_local(async { KEY.get() }).await });
        assert_eq!(seen.expect("no panic"), None);
    });
}

#[test]
fn w10_join_branches_with_scopes_read_their_own_value() {
    let branch = |n: u32| {
        KEY.scope(n, async move {
            yield_now().await;
            KEY.get()
        })
    };
    for (_, runtime) in runtimes() {
        let seen = runtime.block_on(async { tokio::join!(branch(1), branch(2), async { KEY.get() }) });
        assert_eq!(seen, (Some(1), Some(2), None));
    }
}

#[test]
fn w09_no_value_stays_on_a_blocking_thread_after_a_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().expect("a runtime");
    runtime.block_on(async {
        let panicked = routines_tokio::spawn_blocking(|| {
            KEY.set(1);
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(panicked.await.is_err());
        assert_eq!(routines_tokio::spawn_blocking(|| KEY.get()).await.expect("no panic"), None);
        assert_eq!(tokio::task::spawn_blocking(|| KEY.get()).await.expect("no panic"), None);
    });
}
