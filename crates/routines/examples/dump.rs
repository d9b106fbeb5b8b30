//! What is everybody doing? The dump of live routines, as text, as a tree and as JSON.
//!
//! `cargo run -p routines --example dump`

use std::sync::Barrier;

use routines::{Local, thread};

static REQUEST_ID: Local<&str> = Local::new().named("request_id");
static ATTEMPT: Local<u32> = Local::new().named("attempt");

fn main() {
    let busy = Barrier::new(4);
    thread::scope(|s| {
        for request in ["req-7", "req-8"] {
            let busy = &busy;
            REQUEST_ID.sync_scope(request, || {
                s.spawn(move || {
                    s.spawn(move || ATTEMPT.sync_scope(2, || busy.wait()));
                    if request == "req-8" {
                        busy.wait();
                    }
                });
            });
        }
        while routines::ids().len() < 4 {
            std::thread::yield_now();
        }
        let dump = routines::dump();
        println!("{dump}\n{}\n{}", dump.tree(), dump.to_json());
        busy.wait();
    });
}
