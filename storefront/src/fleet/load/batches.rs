//! Owns the price of the layers: short batches to a front with them and to one without, one after the other.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::fleet::fleet::Fleet;
use crate::fleet::wire::{Wire, nothing, read, request};

/// A load to compare under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    clients: u64,
    requests: u64,
    /// Milliseconds that the inventory works for each.
    hold: u64,
}

/// An order as they are, and the least there is: what that shows is the price itself, with nothing to hide it in.
const SETTINGS: [Setting; 2] = [
    Setting { name: "the inventory works for 5 ms", clients: 4, requests: 30, hold: 5 },
    Setting { name: "nobody works, a bare round trip", clients: 2, requests: 150, hold: 0 },
];

/// So many pairs of batches in each setting.
const PAIRS: usize = 60;
/// Pairs before those, that nothing is read from.
const WARM_UP: usize = 6;
/// Requests have a deadline, as any would.
const TIME: Duration = Duration::from_secs(10);

/// The median latencies of a pair of batches, in microseconds.
pub(super) struct Pair {
    pub(super) layered: f64,
    pub(super) bare: f64,
}

/// The pairs of each setting.
pub(super) async fn run() -> Result<Vec<(Setting, Vec<Pair>)>, Box<dyn Error>> {
    let layered = Fleet::start_small(&["--quiet"]).await?;
    let bare = Fleet::start_small(&["--quiet", "--bare"]).await?;
    let fronts = [layered.front()?, bare.front()?];
    let mut all = Vec::new();
    for setting in SETTINGS {
        all.push((setting, pairs(fronts, setting).await?));
        eprintln!("latency: {PAIRS} pairs of batches, {}", setting.name);
    }
    layered.end().await;
    bare.end().await;
    Ok(all)
}

async fn pairs(fronts: [SocketAddr; 2], setting: Setting) -> Result<Vec<Pair>, Box<dyn Error>> {
    let mut pairs = Vec::new();
    for index in 0..WARM_UP + PAIRS {
        let mut medians = [0.0, 0.0];
        // Whoever is first in one pair is second in the next.
        for turn in [index % 2, 1 - index % 2] {
            medians[turn] = median(&mut batch(fronts[turn], setting).await?);
        }
        if index >= WARM_UP {
            pairs.push(Pair { layered: medians[0], bare: medians[1] });
        }
    }
    Ok(pairs)
}

/// The latencies of a batch, in microseconds.
async fn batch(front: SocketAddr, setting: Setting) -> Result<Vec<f64>, Box<dyn Error>> {
    let clients: JoinSet<_> = (0..setting.clients).map(|client| one_client(front, setting, client)).collect();
    let mut all = Vec::new();
    for latencies in clients.join_all().await {
        all.extend(latencies.map_err(|error| error.to_string())?);
    }
    Ok(all)
}

async fn one_client(
    front: SocketAddr,
    setting: Setting,
    client: u64,
) -> Result<Vec<f64>, Box<dyn Error + Send + Sync>> {
    let mut wire = Wire::connect(front).await?;
    let mut latencies = Vec::new();
    for number in 0..setting.requests {
        let order = client * setting.requests + number;
        let request = request(&format!("/orders/{order}?hold={}", setting.hold), order, Some(TIME), nothing());
        let begin = Instant::now();
        let (status, _) = read(wire.send(request).await?).await?;
        latencies.push(begin.elapsed().as_secs_f64() * 1e6);
        if status != 200 || !wire.is_ready().await {
            return Err(format!("answered {status}").into());
        }
    }
    Ok(latencies)
}

/// The value in the middle; sorts.
pub(super) fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which that part of the values is; sorts.
pub(super) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * part).round() as usize).copied().unwrap_or(f64::NAN)
}
