//! Owns the worker: takes jobs from the broker, each in the context of the request that published it.

use std::time::Duration;

use routines_cancel::until_cancelled;
use routines_http::Propagation;

use super::broker::{Fields, Jobs};
use super::line;

/// Takes jobs until the broker ends.
pub(super) async fn consume(mut jobs: Jobs, fleet: Propagation) {
    while let Ok(taken) = jobs.take().await {
        for fields in taken {
            let Some((order, millis)) = number(&fields, "order").zip(number(&fields, "millis")) else { continue };
            fleet.extract_message(&fields).sync_scope(|| routines_tokio::spawn(work(order, millis)));
        }
    }
}

async fn work(order: u64, millis: u64) {
    line::log_arrival(order);
    if until_cancelled(tokio::time::sleep(Duration::from_millis(millis))).await.is_ok() {
        line::log(order, line::DONE);
    }
}

fn number(fields: &Fields, name: &str) -> Option<u64> {
    std::str::from_utf8(fields.get(name)?).ok()?.parse().ok()
}
