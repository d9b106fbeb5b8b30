//! Owns the storm: all clients at once, in three equal parts with a look at what is left after each.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::Plan;
use super::customer::{Customer, Shared};
use super::hour::{self, Hour};
use super::tally::Tally;
use crate::fleet::children::Hop;
use crate::fleet::fleet::Fleet;
use crate::fleet::pipe::Stats;

/// Opens connections, fills pools and arenas: what lives and what memory there is after it is the start.
const WARM_UP: Duration = Duration::from_secs(3);
const PARTS: u32 = 3;
/// So long what is in flight may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What lives in each part at a moment when all is quiet.
pub(super) type Look = Vec<(Hop, Stats)>;

/// What a storm came to.
pub(super) struct Storm {
    pub(super) tally: Arc<Tally>,
    /// Before the first request.
    pub(super) empty: Look,
    /// After the warm-up and after each third, with the requests so far.
    pub(super) looks: Vec<(u64, Look)>,
    pub(super) hour: Hour,
}

pub(super) async fn run(plan: Plan) -> Result<Storm, Box<dyn Error>> {
    let tally = Arc::new(Tally::default());
    let mut fleet = Fleet::start(&tally, &[]).await?;
    let empty = fleet.stats().await?;
    let shared = Shared { front: fleet.front()?, next: Arc::new(AtomicU64::new(1)), tally: Arc::clone(&tally) };
    let mut customers: Vec<Customer> =
        (0..plan.clients).map(|number| Customer::new(shared.clone(), plan.seed.wrapping_add(number))).collect();
    let mut looks = Vec::new();
    for part in 0..=PARTS {
        let time = if part == 0 { WARM_UP } else { plan.time / PARTS };
        customers = all(customers, Instant::now() + time).await;
        looks.push((tally.requests(), fleet.quiet(&empty, PATIENCE).await?));
        eprintln!("load: {part} of {PARTS} parts, {} requests", tally.requests());
    }
    drop(customers);
    let hour = hour::run(&mut fleet, &shared, plan.clients).await?;
    fleet.end().await;
    Ok(Storm { tally, empty, looks, hour })
}

async fn all(customers: Vec<Customer>, end: Instant) -> Vec<Customer> {
    customers.into_iter().map(|customer| customer.run(end)).collect::<JoinSet<_>>().join_all().await
}
