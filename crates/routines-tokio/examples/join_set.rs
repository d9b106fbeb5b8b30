//! Pages that are put together from parts, which are loaded side by side: by a task, a blocking job and a named task of a
//! `JoinSet`. Every line knows its request; no part gets the page's transaction; the counter, which is started in the midst
//! of a request, keeps nothing of it.
//!
//! `cargo run -p routines-tokio --example join_set`

use std::collections::BTreeMap;

use routines::{Inherit, Local};
use routines_tokio::spawn_detached;
use routines_tokio::task::{JoinSet, yield_now};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

static REQUEST_ID: Local<String> = Local::new().named("request_id");
/// A transaction is its routine's alone: the parts have to do without.
static TRANSACTION: Local<u32> = Local::new().inherit(Inherit::Never);

type Part = (&'static str, String);

fn log(message: &str) {
    let request = REQUEST_ID.get().unwrap_or_else(|| "-".into());
    let transaction = if TRANSACTION.is_bound() { ", in a transaction" } else { "" };
    println!("[{request}{transaction}] {message}");
}

async fn load(part: &'static str) -> Part {
    log(&format!("loads the {part}"));
    yield_now().await;
    (part, format!("{part} for {}", REQUEST_ID.get().unwrap_or_default()))
}

/// The page, and how many parts could not be loaded.
async fn page() -> (BTreeMap<&'static str, String>, usize) {
    TRANSACTION.set(1);
    log("puts a page together");
    let mut parts = JoinSet::new();
    parts.spawn(load("prices"));
    parts.spawn_blocking(|| {
        log("renders the picture");
        ("picture", "pixels".to_owned())
    });
    parts.build_task().name("advertisement").spawn(load("advertisement")).expect("a task is started").abort();

    let (mut page, mut missing) = (BTreeMap::new(), 0);
    while let Some(part) = parts.join_next().await {
        match part {
            Ok((name, text)) => drop(page.insert(name, text)),
            Err(_) => missing += 1,
        }
    }
    log(&format!("has {} parts, {missing} missing", page.len()));
    (page, missing)
}

/// Serves every request: what it is started from must not stick to it.
async fn count_pages(mut pages: UnboundedReceiver<usize>) {
    let mut count = 0;
    while let Some(parts) = pages.recv().await {
        count += 1;
        log(&format!("{count} pages so far, the last of {parts} parts"));
    }
}

#[tokio::main]
async fn main() {
    let (counted, pages) = unbounded_channel();
    let mut requests = JoinSet::new();
    let counter = REQUEST_ID.sync_scope("req-1".into(), || spawn_detached(count_pages(pages)));
    for id in ["req-1", "req-2", "req-3"] {
        let counted = counted.clone();
        requests.spawn(REQUEST_ID.scope(id.into(), async move {
            let (page, missing) = page().await;
            assert_eq!((page["prices"].as_str(), missing), (format!("prices for {id}").as_str(), 1));
            counted.send(page.len()).expect("the counter lives as long as a sender does");
        }));
    }
    drop(counted);
    requests.join_all().await;
    counter.await.expect("the counter does not panic");
}
