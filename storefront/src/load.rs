//! Owns the load: a batch of requests, so many at once, timed.

use std::ops::{AddAssign, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::{Customers, Outcome};
use crate::progress::Progress;

/// What came of a batch, or of several.
#[derive(Debug, Default)]
pub(crate) struct Responses {
    /// Answered at once.
    pub(crate) ok: usize,
    /// Answered after a second try.
    pub(crate) retried: usize,
    /// Abandoned by the client.
    pub(crate) disconnected: usize,
    /// What went wrong with the rest.
    pub(crate) failed: Vec<String>,
}

impl Responses {
    /// How many requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.ok + self.retried + self.disconnected + self.failed.len()
    }

    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Retried => self.retried += 1,
            Outcome::Disconnected => self.disconnected += 1,
            Outcome::Failed(why) => self.failed.push(why),
        }
    }
}

impl AddAssign for Responses {
    fn add_assign(&mut self, other: Responses) {
        self.ok += other.ok;
        self.retried += other.retried;
        self.disconnected += other.disconnected;
        self.failed.extend(other.failed);
    }
}

/// Places `orders`, at most `concurrency` at a time, and returns what came of them and how long it took.
///
/// `look` is called before each order, and while an order is known to be in the service.
pub(crate) async fn batch(
    customers: &Arc<Customers>,
    orders: Range<u64>,
    concurrency: u64,
    progress: &Arc<Progress>,
    look: impl Fn() + Clone + Send + Sync + 'static,
) -> (Responses, Duration) {
    let next = Arc::new(AtomicU64::new(orders.start));
    let mut queues = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..concurrency.min(orders.end - orders.start) {
        let queue = Queue { customers: Arc::clone(customers), next: Arc::clone(&next), end: orders.end };
        queues.spawn(queue.run(Arc::clone(progress), look.clone()));
    }
    let responses = queues.join_all().await;
    let took = begin.elapsed();
    let mut sum = Responses::default();
    responses.into_iter().for_each(|some| sum += some);
    (sum, took)
}

/// Customers who come one after the other.
struct Queue {
    customers: Arc<Customers>,
    next: Arc<AtomicU64>,
    end: u64,
}

impl Queue {
    async fn run(self, progress: Arc<Progress>, look: impl Fn()) -> Responses {
        let mut responses = Responses::default();
        loop {
            // Relaxed: the number itself is all that is shared.
            let order = self.next.fetch_add(1, Ordering::Relaxed);
            if order >= self.end {
                return responses;
            }
            look();
            responses.count(self.customers.buy(order, &look).await);
            progress.step();
        }
    }
}
