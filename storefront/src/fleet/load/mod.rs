//! Owns `fleet --load`: many clients at once that leave at random moments, what is left of them, and what the layers cost.

mod batches;
mod customer;
mod hour;
mod report;
mod storm;
mod tally;

use std::error::Error;
use std::time::Duration;

/// How much load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) clients: u64,
    pub(super) time: Duration,
    pub(super) seed: u64,
}

/// Runs it all; whether all is well.
pub(super) async fn run(plan: Plan) -> Result<bool, Box<dyn Error>> {
    let storm = storm::run(plan).await?;
    let costs = batches::run().await?;
    Ok(report::print(&plan, &storm, &costs))
}
