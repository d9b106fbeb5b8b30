//! Owns what came with one request or message, and the frame it is worked on in.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use routines::{Bindings, Carried, FutureExt};
use routines_cancel::{Token, with_cancel, with_timeout};

use crate::key::Key;
use crate::propagation::{CALLER_TRACE, PASSING};
use crate::request_id::RequestId;
use crate::trace::TraceContext;

/// What came with a request or message: made by [`Propagation::extract`](crate::Propagation::extract).
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
    pub(crate) bindings: Bindings,
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

    /// The time it has, if it has an end.
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
        self.timeout.map_or_else(with_cancel, with_timeout)
    }

    /// Runs `f` in the frame of the request: what it captures there, it captures of the request.
    pub(crate) fn open<R>(&self, token: &Token, f: impl FnOnce() -> R) -> R {
        self.bindings.sync_scope(|| {
            self.absent.iter().for_each(|key| key.unbind());
            if !self.bindings.contains(&PASSING) {
                PASSING.remove();
            }
            if self.remote.is_none() {
                CALLER_TRACE.remove();
            }
            token.sync_scope(f)
        })
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
