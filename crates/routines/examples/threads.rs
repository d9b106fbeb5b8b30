//! Which request is this line for? Threads, a pool's closure and a driver's callback all know, and nobody told them.
//!
//! `cargo run -p routines --example threads`

use std::sync::mpsc;

use routines::{Local, thread};

static REQUEST_ID: Local<String> = Local::new().named("request_id");

fn log(message: &str) {
    println!("[{}] {message}", REQUEST_ID.get().unwrap_or_else(|| "-".into()));
}

fn main() {
    let (jobs, queue) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let pool = std::thread::spawn(move || queue.into_iter().for_each(|job| job()));

    for request in ["req-1", "req-2"] {
        REQUEST_ID.sync_scope(request.into(), || {
            log("handler");
            thread::spawn(|| log("thread")).join().expect("the thread does not panic");
            jobs.send(Box::new(routines::bind(|| log("pool, much later")))).expect("the pool is running");
        });
    }
    let driver_callback =
        REQUEST_ID.sync_scope("req-3".into(), || routines::bind_fn(|row: u32| log(&format!("row {row}"))));
    (1..3).for_each(driver_callback);

    drop(jobs);
    pool.join().expect("the pool does not panic");
    log("outside every request");
}
