//! Owns the requests that ask for an hour and are dropped before they are answered: nothing of them may stay.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::customer::Shared;
use super::storm::Look;
use crate::fleet::fleet::Fleet;
use crate::fleet::wire::{Wire, nothing, read, request};

const REQUESTS: u64 = 20_000;
/// The first of them fill what is kept for good, such as arenas.
const WARM_UP: u64 = 10_000;
const HOUR: Duration = Duration::from_secs(3600);
/// Clients leave within so many milliseconds.
const STAY: u64 = 20;
/// How often timers are looked at.
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of them.
pub(super) struct Hour {
    pub(super) requests: u64,
    pub(super) before: Look,
    pub(super) after: Look,
    /// The most timers the front was seen to have meanwhile.
    pub(super) most_timers: usize,
}

pub(super) async fn run(fleet: &mut Fleet, shared: &Shared, clients: u64) -> Result<Hour, Box<dyn Error>> {
    let empty = fleet.stats().await?;
    send(fleet, shared, clients, WARM_UP).await?;
    let before = fleet.quiet(&empty, PATIENCE).await?;
    let most_timers = send(fleet, shared, clients, REQUESTS).await?;
    let after = fleet.quiet(&empty, PATIENCE).await?;
    eprintln!("load: {REQUESTS} requests for an hour, dropped");
    Ok(Hour { requests: REQUESTS, before, after, most_timers })
}

/// Opens and drops so many; the most timers seen meanwhile.
async fn send(fleet: &mut Fleet, shared: &Shared, clients: u64, requests: u64) -> Result<usize, Box<dyn Error>> {
    let share = |client| requests / clients + u64::from(client < requests % clients);
    let mut under_way: JoinSet<()> = (0..clients).map(|client| come_and_go(shared.clone(), share(client))).collect();
    let (mut most, mut looks) = (0, interval(PAUSE));
    loop {
        tokio::select! {
            ended = under_way.join_next() => if ended.is_none() { return Ok(most) },
            _ = looks.tick() => most = most.max(fleet.stats().await?[0].1.timers),
        }
    }
}

/// A client who opens so many, one after the other.
async fn come_and_go(shared: Shared, requests: u64) {
    for _ in 0..requests {
        // Relaxed: the number is all that is shared.
        let order = shared.next.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = open_and_drop(shared.front, order, Duration::from_millis(order % STAY)).await {
            shared.tally.fault(format!("order {order}: {error}"));
        }
    }
}

async fn open_and_drop(front: SocketAddr, order: u64, stay: Duration) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut wire = Wire::connect(front).await?;
    let request = request(&format!("/orders/{order}?hold={}", HOUR.as_millis()), order, Some(HOUR), nothing());
    match timeout(stay, wire.send(request)).await {
        Err(_) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Ok(Ok(response)) => Err(format!("answered {:?}", read(response).await?).into()),
    }
}
