//! Owns the stockroom: one long-lived task that does what it is sent, started by whichever request needs it first.
//!
//! The two traps of such a task: it must not keep the id of the request that started it, and what it does for a request
//! must have that request's id, although a channel lies between.

use std::sync::OnceLock;

use tokio::sync::{mpsc, oneshot};
use tracing::info;

use crate::mode;

/// The stock is counted after this many picks.
const COUNT_EVERY: u64 = 50;

type Errand = Box<dyn FnOnce() + Send>;

/// A way to the stockroom's task.
pub(super) struct Stockroom {
    errands: OnceLock<mpsc::UnboundedSender<(Errand, oneshot::Sender<u64>)>>,
}

impl Stockroom {
    pub(super) fn new() -> Self {
        Stockroom { errands: OnceLock::new() }
    }

    /// Takes the goods from the shelf and returns how many picks there were before.
    pub(super) async fn pick(&self, order: u64, quantity: u32) -> u64 {
        let errand = mode::bind(move || info!(order, quantity, "picked from the shelf"));
        let (done, picked) = oneshot::channel();
        let sent = self.errands.get_or_init(open).send((errand, done));
        match sent {
            Ok(()) => picked.await.unwrap_or_default(),
            Err(_) => 0,
        }
    }
}

fn open() -> mpsc::UnboundedSender<(Errand, oneshot::Sender<u64>)> {
    let (sender, mut errands) = mpsc::unbounded_channel::<(Errand, oneshot::Sender<u64>)>();
    mode::spawn_detached(async move {
        let mut picks = 0;
        while let Some((errand, done)) = errands.recv().await {
            errand();
            picks += 1;
            if picks % COUNT_EVERY == 0 {
                info!(picks, "stock counted");
            }
            // The customer may have left meanwhile.
            let _ = done.send(picks);
        }
    });
    sender
}
