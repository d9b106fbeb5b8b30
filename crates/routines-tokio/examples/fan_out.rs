//! One request fans out into tasks and blocking jobs; an accept loop started on the way is detached from it.
//!
//! `cargo run -p routines-tokio --example fan_out`

use routines::Local;

static REQUEST_ID: Local<String> = Local::new().named("request_id");

fn log(message: &str) {
    println!("[{}] {message}", REQUEST_ID.get().unwrap_or_else(|| "-".into()));
}

async fn handle() {
    log("handler");
    let task = routines_tokio::spawn(async {
        log("task");
        routines_tokio::spawn_blocking(|| log("blocking job of the task")).await
    });
    let background = routines_tokio::spawn_detached(async { log("background work, detached") });
    let stranger = tokio::spawn(async { log("plain tokio::spawn reads nothing") });
    let (task, background, stranger) = tokio::join!(task, background, stranger);
    task.and_then(|job| job).and(background).and(stranger).expect("no task panics");
}

#[tokio::main]
async fn main() {
    routines_tokio::install();
    let (a, b) = (REQUEST_ID.scope("req-1".into(), handle()), REQUEST_ID.scope("req-2".into(), handle()));
    tokio::join!(a, b);
}
