//! Owns payments: asks the bank, and asks again if it does not answer in time. Plain code that logs.

use std::future::pending;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

/// How long the bank may take. Short, so that a run of thousands of orders is not spent waiting.
const PATIENCE: Duration = Duration::from_millis(2);
const ATTEMPTS: u32 = 3;

/// The bank did not answer, however often it was asked.
#[derive(Debug)]
pub(super) struct NoAnswer;

/// Charges an order and returns how often the bank had to be asked.
pub(super) async fn charge(order: u64, cents: u64, slow: bool) -> Result<u32, NoAnswer> {
    for attempt in 1..=ATTEMPTS {
        match timeout(PATIENCE, ask_bank(order, attempt, slow)).await {
            Ok(()) => {
                info!(order, cents, attempt, "paid");
                return Ok(attempt);
            }
            Err(_) => warn!(order, attempt, "the bank did not answer in time"),
        }
    }
    Err(NoAnswer)
}

async fn ask_bank(order: u64, attempt: u32, slow: bool) {
    let mut call = Call { order, answered: false };
    if slow && attempt == 1 {
        pending::<()>().await;
    }
    call.answered = true;
}

/// A call to the bank, hung up when it is dropped.
struct Call {
    order: u64,
    answered: bool,
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.answered {
            info!(order = self.order, "hung up on the bank");
        }
    }
}
