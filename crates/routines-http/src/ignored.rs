//! Owns the counts of what came in and was not taken.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many headers, or parts of them, were ignored: malformed, too long, too many, or not listed.
///
/// A request is never refused for such a header. A count that rises tells of a peer that writes them badly, or of somebody trying.
///
/// ```
/// use std::collections::HashMap;
/// use routines_http::Propagation;
///
/// let fleet = Propagation::new();
/// fleet.extract(&HashMap::from([("traceparent".to_owned(), "00-junk".to_owned())]));
/// assert_eq!(fleet.ignored().traceparent, 1);
/// assert_eq!(fleet.ignored().total(), 1);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// `traceparent` headers: a new trace was begun.
    pub traceparent: u64,
    /// `tracestate` headers: the trace goes on without.
    pub tracestate: u64,
    /// `baggage` headers with something wrong or too much in them, of which the good members were taken.
    pub baggage: u64,
    /// Request ids: a new one was made.
    pub request_id: u64,
    /// Deadlines: there is none, or the default one.
    pub deadline: u64,
    /// Values of declared keys that their codec did not read, or panicked at: they are unbound.
    pub value: u64,
    /// Values that went beyond the limits of the `baggage` header, or of a header of their own, and were not sent: whoever has more than
    /// eight kilobytes of them keeps them elsewhere, and sends a key.
    pub unsent: u64,
}

impl Ignored {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.traceparent + self.tracestate + self.baggage + self.request_id + self.deadline + self.value + self.unsent
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) traceparent: Counter,
    pub(crate) tracestate: Counter,
    pub(crate) baggage: Counter,
    pub(crate) request_id: Counter,
    pub(crate) deadline: Counter,
    pub(crate) value: Counter,
    pub(crate) unsent: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an error, and lets it go.
    pub(crate) fn ok<T, E>(&self, result: Result<T, E>) -> Option<T> {
        result.inspect_err(|_| self.add()).ok()
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn read(&self) -> Ignored {
        Ignored {
            traceparent: self.traceparent.get(),
            tracestate: self.tracestate.get(),
            baggage: self.baggage.get(),
            request_id: self.request_id.get(),
            deadline: self.deadline.get(),
            value: self.value.get(),
            unsent: self.unsent.get(),
        }
    }
}
