//! One line instead of `#[tokio::main]`, and plain `tokio::spawn` carries the request id.
//!
//! `RUSTFLAGS="--cfg tokio_unstable" cargo run -p routines-tokio --example main_macro`; without the flag it says what it lacks.

use routines::Local;

static REQUEST_ID: Local<String> = Local::new().named("request_id");

/// In a crate that nobody changed.
async fn third_party() {
    tokio::spawn(async { log("from a task of a task") }).await.unwrap();
}

fn log(message: &str) {
    println!("[{}] routine {}: {message}", REQUEST_ID.get().unwrap_or_else(|| "-".to_owned()), routines::id());
}

#[routines_tokio::main]
async fn main() {
    let requests =
        ["req-1", "req-2"].map(|id| REQUEST_ID.scope(id.to_owned(), async { tokio::spawn(third_party()).await }));
    for request in requests {
        request.await.unwrap();
    }
}
