//! Owns what came with one request or message, and the frame it is worked on in.

use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use routines::{Bindings, Carried, FutureExt, Local};
use routines_cancel::{Token, with_cancel, with_deadline};

use crate::key::Key;
use crate::propagation::{CALLER_TRACE, PASSING};
use crate::request_id::RequestId;
use crate::trace::TraceContext;

/// What came with a request or message: made by [`Propagation::extract`](crate::Propagation::extract).
///
/// Its time runs from then on, also while it waits to be opened. May be opened more than once, on any thread: each time anew, with
/// values as they came and a token of its own. Dropped unopened it leaves nothing.
///
/// ```
/// use std::collections::HashMap;
/// use routines_http::{Propagation, REQUEST_ID};
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let message = HashMap::from([("x-request-id".to_owned(), "req-7".to_owned())]);
/// let incoming = Propagation::new().extract_message(&message);
/// incoming.scope(async { assert_eq!(REQUEST_ID.get().unwrap().as_str(), "req-7") }).await;
/// # }).unwrap();
/// ```
#[must_use = "open it by `scope` or `sync_scope`"]
pub struct Incoming {
    pub(crate) request_id: RequestId,
    pub(crate) trace: TraceContext,
    pub(crate) remote: Option<TraceContext>,
    pub(crate) timeout: Option<Duration>,
    /// Its time runs from its arrival.
    pub(crate) deadline: Option<Instant>,
    pub(crate) bindings: Bindings,
    /// Whether members of baggage are among them that are sent on as they came.
    pub(crate) passes: bool,
    /// Listed keys that did not come: unbound in the frame, whatever is bound around it.
    pub(crate) absent: Vec<&'static dyn Key>,
}

impl Incoming {
    /// The id the request is known by: the one that came, or a new one.
    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// The place of the work here in its trace: a child of [`remote`](Self::remote), or a new trace.
    pub fn trace(&self) -> &TraceContext {
        &self.trace
    }

    /// The sender's place in the trace, if one came.
    pub fn remote(&self) -> Option<&TraceContext> {
        self.remote.as_ref()
    }

    /// The time it had when it arrived, if it has an end.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Runs `future` with what came: ids, values, and a token of its own with the deadline. Captured now.
    ///
    /// What else is bound here it sees too. Awaited here it runs in this routine, as a consumer's messages do, one after the
    /// other; spawned it is a routine of its own.
    #[track_caller]
    pub fn scope<F: Future>(&self, future: F) -> Carried<F> {
        self.open(&self.token(), || future.inherit())
    }

    /// As [`scope`](Self::scope), for a closure.
    pub fn sync_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        self.open(&self.token(), f)
    }

    /// Below the current token, with the time the request has.
    pub(crate) fn token(&self) -> Token {
        self.deadline.map_or_else(with_cancel, with_deadline)
    }

    /// Runs `f` in the frame of the request: what it captures there, it captures of the request.
    pub(crate) fn open<R>(&self, token: &Token, f: impl FnOnce() -> R) -> R {
        let in_frame = || {
            self.absent.iter().for_each(|key| key.unbind());
            if !self.passes {
                unbind(&PASSING);
            }
            if self.remote.is_none() {
                unbind(&CALLER_TRACE);
            }
            f()
        };
        self.bindings.sync_scope(|| token.sync_scope(in_frame))
    }
}

/// Nearly always it is unbound already, and to look costs less than to remove.
pub(crate) fn unbind<T: Send + Sync + 'static>(key: &Local<T>) {
    if key.is_bound() {
        key.remove();
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("request_id", &self.request_id)
            .field("trace", &self.trace)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
