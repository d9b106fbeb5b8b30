//! Owns what the load's lines and answers came to: each is checked as it comes, and only counts are kept.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::fleet::check::owner_fault;
use crate::fleet::children::{Hop, Listen};
use crate::fleet::line::{Line, TOLD};

/// So many faults are kept to be shown.
const SHOWN: usize = 5;

/// Counts, from all clients and parts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Answered as asked.
    pub(super) answered: AtomicU64,
    /// Answered that the time was up.
    pub(super) late: AtomicU64,
    /// Left by their clients.
    pub(super) left: AtomicU64,
    /// Lines checked.
    pub(super) lines: AtomicU64,
    /// Of them, those that tell of a cancellation.
    pub(super) told: AtomicU64,
    pub(super) faults: AtomicU64,
    first_faults: Mutex<Vec<String>>,
}

impl Tally {
    /// One more.
    pub(super) fn count(counter: &AtomicU64) {
        // Relaxed: read when all is quiet.
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    /// All requests that came to an end.
    pub(super) fn requests(&self) -> u64 {
        [&self.answered, &self.late, &self.left].into_iter().map(Tally::read).sum()
    }

    pub(super) fn fault(&self, fault: String) {
        Tally::count(&self.faults);
        let mut first = self.first_faults.lock().unwrap_or_else(PoisonError::into_inner);
        if first.len() < SHOWN {
            first.push(fault);
        }
    }

    /// The first faults.
    pub(super) fn shown(&self) -> Vec<String> {
        self.first_faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Listen for Tally {
    fn hear(&self, hop: Hop, text: &str) {
        Tally::count(&self.lines);
        let line = serde_json::from_str::<Line>(text).ok();
        if line.as_ref().is_some_and(|line| line.message == TOLD) {
            Tally::count(&self.told);
        }
        let fault = match line.map(|line| (line.order, line)) {
            Some((Some(order), line)) => owner_fault(order, &line),
            // A library's, from a task of its own.
            Some((None, line)) if !line.is_owned() => None,
            _ => Some("about no order, or unreadable".to_owned()),
        };
        if let Some(fault) = fault {
            self.fault(format!("{}: {fault}: {text}", hop.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(line: &str) -> u64 {
        let tally = Tally::default();
        tally.hear(Hop::Front, line);
        Tally::read(&tally.faults)
    }

    fn line(order: u64, owner: u64) -> String {
        let owner = crate::fleet::context::Owner::of(owner);
        let mut line = serde_json::to_value(owner).unwrap();
        line["message"] = "done".into();
        line["order"] = order.into();
        line.to_string()
    }

    #[test]
    fn a_line_of_the_right_request_is_right() {
        assert_eq!(faults(&line(7, 7)), 0);
    }

    #[test]
    fn a_line_of_another_request_is_wrong() {
        assert_eq!(faults(&line(7, 8)), 1);
    }

    #[test]
    fn a_line_that_lost_its_context_is_wrong() {
        assert_eq!(faults(r#"{"message":"done","order":7}"#), 1);
        assert_eq!(faults("half a li"), 1);
    }

    #[test]
    fn a_line_about_no_request_must_have_none_of_their_context() {
        assert_eq!(faults(r#"{"message":"connection closed"}"#), 0);
        assert_eq!(faults(r#"{"message":"connection closed","tenant":"shop 7"}"#), 1);
    }
}
