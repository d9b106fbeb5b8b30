//! Every habit that loses a context. The gate counts the lines marked `found` and the warnings.
#![allow(clippy::missing_errors_doc)]

/// Bare spawns.
pub async fn spawns(set: &mut tokio::task::JoinSet<()>, tracker: &tokio_util::task::TaskTracker) {
    drop(tokio::spawn(async {})); // found
    drop(tokio::task::spawn_blocking(|| ())); // found
    drop(tokio::runtime::Handle::current().spawn(async {})); // found
    set.spawn(async {}); // found
    drop(tracker.spawn(async {})); // found
    drop(std::thread::spawn(|| ())); // found
    drop(std::thread::Builder::new().spawn(|| ())); // found
    std::thread::scope(|scope| drop(scope.spawn(|| ()))); // found
    #[expect(clippy::disallowed_methods, reason = "this one is meant")]
    drop(tokio::spawn(async {}));
    drop(routines::thread::spawn(|| ()));
}

/// A guard across a suspend.
pub async fn guard() {
    let guard = routines::Snapshot::capture().enter(); // found
    tokio::task::yield_now().await;
    drop(guard);
}
