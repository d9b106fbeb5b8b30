//! Owns the run of a fleet: sends requests of all kinds, ends some half way, and waits until everybody has said what became of them.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::check::{self, Sent};
use super::children::Hop;
use super::fleet::Fleet;
use super::kind::Kind;
use super::line::{ARRIVED, now_us};
use super::pipe::Stats;
use super::stories::{Stories, Story};
use super::wire::{Wire, nothing, read, request};
use crate::progress::Progress;

/// So many requests at once.
const AT_ONCE: usize = 16;
/// Whatever takes longer is a fault.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a run found.
pub(super) struct Findings {
    /// Each request, with its lines and what is wrong.
    pub(super) requests: Vec<(Sent, Story, Vec<String>)>,
    pub(super) hops: Vec<Hop>,
    /// What lived in each part before the first request and after the last.
    pub(super) lived: Vec<(Hop, Stats, Stats)>,
    /// Lines that belong to no request.
    pub(super) strays: Vec<String>,
}

/// Runs `orders` requests through a fleet whose parts have these arguments.
pub(super) async fn run(orders: u64, arguments: &[&str]) -> Result<Findings, Box<dyn Error>> {
    let stories = Arc::new(Stories::default());
    let mut fleet = Fleet::start(&stories, arguments).await?;
    let hops = fleet.hops();
    let before = fleet.stats().await?;
    let clients = Clients { front: fleet.front()?, stories: Arc::clone(&stories), hops: hops.clone() };
    let progress = Arc::new(Progress::new(orders));
    let (last, first): (Vec<u64>, Vec<u64>) =
        (1..=orders).partition(|order| Kind::of(*order, orders) == Kind::ShutDown);
    let mut sent = clients.all(&first, orders, &progress).await;
    sent.extend(clients.shut_down(&last, &mut fleet, &progress).await?);
    progress.finish();
    let after = fleet.quiet(&before, PATIENCE).await?;
    fleet.end().await;
    let lived = before.into_iter().zip(after).map(|((hop, before), (_, after))| (hop, before, after)).collect();
    let requests = sent.into_iter().map(|sent| judged(sent, &stories, &hops)).collect();
    Ok(Findings { requests, hops, lived, strays: stories.strays() })
}

fn judged(sent: Sent, stories: &Stories, hops: &[Hop]) -> (Sent, Story, Vec<String>) {
    let story = stories.of(sent.order);
    let faults = check::faults(&sent, &story, hops);
    (sent, story, faults)
}

#[derive(Clone)]
struct Clients {
    front: SocketAddr,
    stories: Arc<Stories>,
    hops: Vec<Hop>,
}

impl Clients {
    /// Sends all these orders, some at once.
    async fn all(&self, numbers: &[u64], orders: u64, progress: &Arc<Progress>) -> Vec<Sent> {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let mut under_way = JoinSet::new();
        for &order in numbers {
            let (clients, progress) = (self.clone(), Arc::clone(progress));
            let room = Arc::clone(&room).acquire_owned().await;
            under_way.spawn(async move {
                let sent = clients.one(order, Kind::of(order, orders)).await;
                drop(room);
                progress.step();
                sent
            });
        }
        let mut sent = under_way.join_all().await;
        sent.sort_by_key(|sent| sent.order);
        sent
    }

    /// Sends one, and waits for all that comes of it.
    async fn one(&self, order: u64, kind: Kind) -> Sent {
        let due_us = now_us() + kind.timeout().as_micros() as u64;
        let late = matches!(kind, Kind::Late | Kind::LateJob);
        let mut sent = Sent { order, kind, moment_us: late.then_some(due_us), answer: Err("nobody waited".into()) };
        if kind.leaves() {
            sent.moment_us = self.leave(order, kind).await;
        } else {
            sent.answer = self.ask(order, kind).await;
        }
        self.settled(order, kind).await;
        sent
    }

    async fn settled(&self, order: u64, kind: Kind) {
        self.stories.until(order, PATIENCE, |story| check::is_complete(kind, story, &self.hops)).await;
    }

    /// The answer to an order.
    async fn ask(&self, order: u64, kind: Kind) -> Result<(u16, String), String> {
        let ask = async {
            let mut wire = Wire::connect(self.front).await?;
            let (status, text) = read(wire.send(self.request(order, kind)).await?).await?;
            Ok((status, String::from_utf8_lossy(&text).into_owned()))
        };
        let asked: Result<Result<_, Box<dyn Error + Send + Sync>>, _> = timeout(PATIENCE, ask).await;
        asked.map_err(|_| "it took too long".to_owned())?.map_err(|error| error.to_string())
    }

    fn request(&self, order: u64, kind: Kind) -> hyper::Request<super::wire::Upload> {
        let wish = kind.wish();
        let job = wish.job.map(|job| format!("&job={job}")).unwrap_or_default();
        let path = format!("/{}/{order}?hold={}{job}", kind.path(), wish.hold);
        request(&path, order, Some(kind.timeout()), nothing())
    }

    /// Closes the socket once the inventory works for the order; when that was.
    async fn leave(&self, order: u64, kind: Kind) -> Option<u64> {
        let mut wire = Wire::connect(self.front).await.ok()?;
        let at_the_inventory = |story: &Story| story.find(Hop::Inventory, ARRIVED).is_some();
        let left = tokio::select! {
            _ = wire.send(self.request(order, kind)) => None,
            there = self.stories.until(order, PATIENCE, at_the_inventory) => there.then(now_us),
        };
        drop(wire);
        left
    }

    /// Lets the front shut down while the inventory works for all these orders.
    async fn shut_down(
        &self,
        numbers: &[u64],
        fleet: &mut Fleet,
        progress: &Progress,
    ) -> Result<Vec<Sent>, Box<dyn Error>> {
        let mut under_way = JoinSet::new();
        for &order in numbers {
            let clients = self.clone();
            under_way.spawn(async move { (order, clients.ask(order, Kind::ShutDown).await) });
        }
        for &order in numbers {
            self.stories.until(order, PATIENCE, |story| story.find(Hop::Inventory, ARRIVED).is_some()).await;
        }
        let moment_us = now_us();
        fleet.shut_down_front().await?;
        let mut sent = Vec::new();
        for (order, answer) in under_way.join_all().await {
            self.settled(order, Kind::ShutDown).await;
            sent.push(Sent { order, kind: Kind::ShutDown, moment_us: Some(moment_us), answer });
            progress.step();
        }
        sent.sort_by_key(|sent| sent.order);
        Ok(sent)
    }
}
