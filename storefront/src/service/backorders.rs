//! Owns the orders that wait for stock, and notices when a customer leaves.

use std::collections::BTreeSet;
use std::future::pending;

use tokio::sync::watch;
use tracing::info;

/// The orders that wait.
pub(crate) struct Backorders {
    waiting: watch::Sender<BTreeSet<u64>>,
}

impl Backorders {
    pub(super) fn new() -> Self {
        Backorders { waiting: watch::Sender::default() }
    }

    /// Waits for stock that never comes: ends only by being dropped.
    pub(super) async fn wait(&self, order: u64) {
        let _place = Place::take(self, order);
        pending().await
    }

    /// Returns once the service has `order` waiting.
    pub(crate) async fn until_waiting(&self, order: u64) {
        self.until(|waiting| waiting.contains(&order)).await;
    }

    pub(super) async fn until_none(&self) {
        self.until(BTreeSet::is_empty).await;
    }

    async fn until(&self, holds: impl FnMut(&BTreeSet<u64>) -> bool) {
        // An error would mean that the sender is gone, and `self` is the sender.
        let _ = self.waiting.subscribe().wait_for(holds).await;
    }
}

/// A place in the queue, given up when the handler's future is dropped because its customer closed the connection.
struct Place<'a> {
    queue: &'a Backorders,
    order: u64,
}

impl<'a> Place<'a> {
    fn take(queue: &'a Backorders, order: u64) -> Self {
        info!(order, "out of stock; waiting");
        queue.waiting.send_if_modified(|waiting| waiting.insert(order));
        Place { queue, order }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        info!(order = self.order, "the customer left before the stock came");
        self.queue.waiting.send_if_modified(|waiting| waiting.remove(&self.order));
    }
}
