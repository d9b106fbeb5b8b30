//! Thumbnails in parallel: every line knows its request, on whatever thread it was written.
//!
//! `cargo run -p routines-rayon --example resize`

use rayon::prelude::*;
use routines::Local;
use routines_rayon::ParallelIteratorExt;

static REQUEST_ID: Local<&str> = Local::new().named("request_id");

/// Deep in a library, which was told nothing.
fn log(message: &str) {
    println!("[{}] routine {}: {message}", REQUEST_ID.get().unwrap_or("-"), routines::id());
}

fn resize(width: u32) -> u32 {
    log(&format!("to {width} pixels"));
    width / 2
}

fn main() {
    REQUEST_ID.sync_scope("req-7", || {
        let halves: Vec<u32> = [640, 800, 1024, 1280].into_par_iter().inherit().map(resize).collect();
        let (total, longest) = routines_rayon::join(|| halves.iter().sum::<u32>(), || halves.iter().max());
        log(&format!("{total} pixels in all, {longest:?} at most"));
    });
    // The pool's threads keep nothing.
    rayon::spawn_broadcast(|_| assert_eq!(REQUEST_ID.get(), None));
}
