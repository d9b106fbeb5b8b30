//! Owns a fleet of parts: starts them in the order they need one another, and asks and ends them together.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::broker;
use super::children::{Hop, Listen, Part};
use super::pipe::{Stats, Word};

/// How often parts are asked whether they are quiet.
const PAUSE: Duration = Duration::from_millis(20);

/// The front, the inventory and, where a broker is installed, the worker.
pub(super) struct Fleet {
    services: Vec<(Hop, Part)>,
    broker: Option<Part>,
}

impl Fleet {
    /// Starts all, each with these arguments; the broker and the worker only where a broker is installed.
    pub(super) async fn start(listener: &Arc<impl Listen>, arguments: &[&str]) -> Result<Fleet, Box<dyn Error>> {
        let broker = if broker::is_installed() { Some(Part::broker().await?) } else { None };
        Fleet::start_with(broker, listener, arguments).await
    }

    /// Starts the front and the inventory alone, each with these arguments.
    pub(super) async fn start_small(arguments: &[&str]) -> Result<Fleet, Box<dyn Error>> {
        Fleet::start_with(None, &Arc::new(Deaf), arguments).await
    }

    async fn start_with(
        broker: Option<Part>,
        listener: &Arc<impl Listen>,
        arguments: &[&str],
    ) -> Result<Fleet, Box<dyn Error>> {
        let mut fleet = Fleet { services: Vec::new(), broker };
        let jobs = match &fleet.broker {
            Some(broker) => vec!["--broker".to_owned(), broker.address()?.to_string()],
            None => Vec::new(),
        };
        let with = |role: &str, more: &[String]| {
            let role = std::iter::once(role.to_owned()).chain(more.iter().cloned());
            role.chain(arguments.iter().map(|argument| (*argument).to_owned())).collect::<Vec<_>>()
        };
        let inventory = Part::service(Hop::Inventory, &with("inventory", &[]), listener).await?;
        let neighbours = [&["--inventory".to_owned(), inventory.address()?.to_string()], &*jobs].concat();
        let front = Part::service(Hop::Front, &with("front", &neighbours), listener).await?;
        fleet.services.extend([(Hop::Front, front), (Hop::Inventory, inventory)]);
        if !jobs.is_empty() {
            fleet.services.push((Hop::Worker, Part::service(Hop::Worker, &with("worker", &jobs), listener).await?));
        }
        Ok(fleet)
    }

    /// Who works for a request, in the order it comes to them.
    pub(super) fn hops(&self) -> Vec<Hop> {
        self.services.iter().map(|(hop, _)| *hop).collect()
    }

    /// Where orders go.
    pub(super) fn front(&self) -> Result<SocketAddr, Box<dyn Error>> {
        self.services[0].1.address()
    }

    /// Has the front end what it has in flight.
    pub(super) async fn shut_down_front(&mut self) -> Result<(), Box<dyn Error>> {
        self.services[0].1.say(Word::ShutDown).await
    }

    /// What lives in each.
    pub(super) async fn stats(&mut self) -> Result<Vec<(Hop, Stats)>, Box<dyn Error>> {
        let mut all = Vec::new();
        for (hop, part) in &mut self.services {
            all.push((*hop, part.stats().await?));
        }
        Ok(all)
    }

    /// What lives in each once no more does than before, or when that takes too long.
    pub(super) async fn quiet(
        &mut self,
        before: &[(Hop, Stats)],
        patience: Duration,
    ) -> Result<Vec<(Hop, Stats)>, Box<dyn Error>> {
        let end = Instant::now() + patience;
        loop {
            let now = self.stats().await?;
            let leaked = now.iter().zip(before).any(|((_, now), (_, before))| now.has_more_than(before));
            if !leaked || Instant::now() > end {
                return Ok(now);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends all.
    pub(super) async fn end(self) {
        for (_, part) in self.services {
            part.end().await;
        }
        if let Some(broker) = self.broker {
            broker.end().await;
        }
    }
}

/// Takes no lines.
struct Deaf;

impl Listen for Deaf {
    fn hear(&self, _: Hop, _: &str) {}
}
