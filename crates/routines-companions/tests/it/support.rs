//! What the tests share: the ways to start work, and tests in a process of their own.

use std::process::Command;
use std::sync::LazyLock;

use routines::{FutureExt, Local, bind, bind_fn};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

/// Its workers have nothing current.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    std::thread::spawn(|| Builder::new_multi_thread().worker_threads(2).build()).join().unwrap().unwrap()
});

static USER: Local<&str> = Local::new();

/// Looks in its second poll.
pub(crate) async fn later<R>(look: fn() -> R) -> R {
    yield_now().await;
    look()
}

/// What `look` sees in children of this code, by the way they were started. Futures look in their second poll.
pub(crate) fn in_children<R: Send + 'static>(look: fn() -> R) -> Vec<(&'static str, R)> {
    let _inside = RUNTIME.enter();
    let callback = bind_fn(move |()| look());
    let tasks = [
        ("spawn", routines_tokio::spawn(later(look))),
        ("spawn of a scope", routines_tokio::spawn(USER.scope("ada", later(look)))),
        ("spawn_blocking", routines_tokio::spawn_blocking(look)),
        ("inherit", tokio::spawn(later(look).inherit())),
        ("scope", tokio::spawn(USER.scope("ada", later(look)))),
    ];
    let threads = [
        ("thread::spawn", routines::thread::spawn(look)),
        ("bind", std::thread::spawn(bind(look))),
        ("bind_fn", std::thread::spawn(move || callback(()))),
    ];
    let scoped = routines::thread::scope(|s| s.spawn(look).join().unwrap());
    let tasks = tasks.map(|(way, task)| (way, RUNTIME.block_on(task).unwrap()));
    let threads = threads.map(|(way, thread)| (way, thread.join().unwrap()));
    tasks.into_iter().chain(threads).chain([("thread::scope", scoped)]).collect()
}

/// As [`in_children`], for detached children.
pub(crate) fn in_detached<R: Send + 'static>(look: fn() -> R) -> Vec<(&'static str, R)> {
    let _inside = RUNTIME.enter();
    let tasks = [
        ("spawn_detached", routines_tokio::spawn_detached(async move { look() })),
        ("spawn_blocking_detached", routines_tokio::spawn_blocking_detached(look)),
        ("detached", tokio::spawn(async move { look() }.detached())),
        ("tokio::spawn", tokio::spawn(async move { look() })),
    ];
    let thread = routines::thread::spawn_detached(look);
    let tasks = tasks.map(|(way, task)| (way, RUNTIME.block_on(task).unwrap()));
    tasks.into_iter().chain([("thread::spawn_detached", thread.join().unwrap())]).collect()
}

/// Asserts that all ways saw the same.
pub(crate) fn assert_all<R: PartialEq + std::fmt::Debug>(seen: &[(&str, R)], expected: &R) {
    let wrong: Vec<_> = seen.iter().filter(|(_, seen)| seen != expected).collect();
    assert!(wrong.is_empty() && !seen.is_empty(), "{wrong:?} instead of {expected:?}");
}

/// Runs `body` in a process of its own, for what may abort. `test` is the full name of the calling test.
pub(crate) fn in_child(test: &str, body: impl FnOnce()) {
    const MARK: &str = "ROUTINES_CHILD_TEST";
    if std::env::var(MARK).is_ok_and(|name| name == test) {
        return body();
    }
    let exe = std::env::current_exe().unwrap();
    let child = Command::new(exe).args([test, "--exact", "--nocapture"]).env(MARK, test).output().unwrap();
    let out = String::from_utf8_lossy(&child.stdout);
    let err = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && out.contains("1 passed"), "{}\n{out}\n{err}", child.status);
}
