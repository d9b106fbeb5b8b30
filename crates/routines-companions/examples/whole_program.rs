//! One line in `main` mends the spans of a whole program: the same requests, before and after it.
//!
//! ```sh
//! cargo run -p routines-companions --features tracing --example whole_program
//! ```
//!
//! With `routines_tokio::Flow` and `--cfg tokio_unstable` plain `tokio::spawn` would do, in dependencies too.

use tracing::{Instrument, info, info_span};

async fn request(id: u32) {
    async {
        info!("checking out");
        let payment = routines_tokio::spawn(charge());
        let receipt = routines_tokio::spawn_blocking(|| info!("printing the receipt"));
        routines::thread::spawn(|| info!("warming the cache")).join().expect("it does not panic");
        payment.await.expect("it does not panic");
        receipt.await.expect("it does not panic");
    }
    .instrument(info_span!("request", id))
    .await;
}

/// Was never told of a span.
async fn charge() {
    info!("charging the card");
    routines_tokio::spawn(async { info!("telling the bank") }).await.expect("it does not panic");
}

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt().without_time().with_target(false).init();

    println!("Spans are lost at every spawn:");
    request(1).await;

    routines_companions::install();

    println!("With companions:");
    request(2).await;
}
