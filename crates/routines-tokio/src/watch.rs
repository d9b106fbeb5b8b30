//! Owns the strict mode's eye on a runtime's workers.

use tokio::runtime::Builder;

/// Makes a runtime's workers ask [`routines::strict::check_thread`] each time they have nothing to do: for tests.
///
/// Takes the builder's `on_thread_park` and `on_thread_stop`, of which there is one each: set your own afterwards and they
/// replace these. Works on stable Rust. Without a [watch](routines::strict::watch) it costs one load per park.
///
/// ```
/// let watch = routines::strict::watch();
/// let mut builder = tokio::runtime::Builder::new_multi_thread();
/// let runtime = routines_tokio::watch_workers(&mut builder).build().unwrap();
/// runtime.block_on(async { routines_tokio::spawn(async {}).await.unwrap() });
/// drop(runtime);
/// watch.verify();
/// ```
pub fn watch_workers(builder: &mut Builder) -> &mut Builder {
    crate::install();
    builder.on_thread_park(routines::strict::check_thread).on_thread_stop(routines::strict::check_thread)
}
