//! Owns the lines of all parts, sorted by order and hop as they come, and waiting for one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::children::{Hop, Listen};
use super::line::Line;

/// What was logged about one order.
#[derive(Debug, Clone, Default)]
pub(super) struct Story {
    pub(super) lines: Vec<(Hop, Line)>,
}

impl Story {
    /// The line of a step at a hop.
    pub(super) fn find(&self, hop: Hop, step: &str) -> Option<&Line> {
        self.at(hop).find(|line| line.message == step)
    }

    pub(super) fn at(&self, hop: Hop) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |(at, _)| *at == hop).map(|(_, line)| line)
    }
}

/// All that was heard.
#[derive(Debug, Default)]
pub(super) struct Stories {
    heard: Mutex<Heard>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Heard {
    stories: HashMap<u64, Story>,
    strays: Vec<String>,
}

impl Stories {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The story of an order so far.
    pub(super) fn of(&self, order: u64) -> Story {
        self.lock().stories.get(&order).cloned().unwrap_or_default()
    }

    /// Lines that are unreadable, or about no order and with a request's context all the same.
    pub(super) fn strays(&self) -> Vec<String> {
        self.lock().strays.clone()
    }

    /// Waits until an order's story is as wanted; `false` if that takes too long.
    pub(super) async fn until(&self, order: u64, patience: Duration, wanted: impl Fn(&Story) -> bool) -> bool {
        let wait = async {
            loop {
                // Asked for before the look: a line between the two is not missed.
                let more = self.more.notified();
                if self.lock().stories.get(&order).is_some_and(&wanted) {
                    return;
                }
                more.await;
            }
        };
        timeout(patience, wait).await.is_ok()
    }
}

impl Listen for Stories {
    fn hear(&self, hop: Hop, text: &str) {
        let mut heard = self.lock();
        match serde_json::from_str::<Line>(text).map(|line| (line.order, line)) {
            Ok((Some(order), line)) => heard.stories.entry(order).or_default().lines.push((hop, line)),
            // A library's, from a task of its own.
            Ok((None, line)) if !line.is_owned() => {}
            _ => heard.strays.push(format!("{}: {text}", hop.name())),
        }
        drop(heard);
        self.more.notify_waiters();
    }
}
