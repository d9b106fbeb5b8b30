//! A panic three routines deep: `cargo run -p routines-inspect --example panic_report [json]`.

use routines::{Bindings, Local};
use routines_inspect::panic::Report;

static REQUEST_ID: Local<&str> = Local::new().named("request_id");
static TOKEN: Local<&str> = Local::new().named("token").redacted();

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    let report = Report::builder();
    let json = std::env::args().any(|argument| argument == "json");
    if json {
        report.json().install()
    } else {
        report.install()
    };
    let request = Bindings::new().with(&REQUEST_ID, "req-7").with(&TOKEN, "hunter2");
    let _ = routines_tokio::spawn(request.scope(checkout())).await;
}

async fn checkout() {
    let prices = routines_tokio::task::Builder::new().name("prices").spawn(prices(9)).expect("a runtime");
    let _ = prices.await;
}

async fn prices(item: u32) -> u32 {
    panic!("no price for item {item}")
}
