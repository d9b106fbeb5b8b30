//! Owns what a service agrees to take in and to send on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use routines::Local;

use crate::baggage::Baggage;
use crate::destination::Hosts;
use crate::headers::{self, MILLIS_LEFT};
use crate::ignored::{Counters, Ignored};
use crate::key::{Key, Place, Propagated};
use crate::request_id::RequestId;
use crate::trace::TraceContext;

/// The id the current request is known by, in logs as `request_id`.
pub static REQUEST_ID: Local<RequestId> = Local::new().named_display("request_id");

/// The trace the current work belongs to, in logs as `trace_id`.
pub static TRACE: Local<TraceContext> = Local::new().named_display("trace_id");

/// The caller's place in that trace, where the request or message came with one: the parent for a span of one's own. Not shown.
pub static CALLER_TRACE: Local<TraceContext> = Local::new();

/// In logs a trace is its id.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.trace_id, f)
    }
}

/// Members of baggage that are sent on as they came, unless their key has another value by then. Not shown.
pub(crate) static PASSING: Local<Baggage> = Local::new();

/// What a service agrees on with its neighbours: which keys travel, to whom, and how deadlines are written.
///
/// Made once, then cloned: all clones are one and count together. W3C `traceparent` and `tracestate`, `x-request-id` and the
/// deadline always travel; values do if their [key](Propagated) is listed here.
///
/// ```
/// use std::collections::HashMap;
/// use std::time::Duration;
/// use routines_http::{Destination, Propagated, Propagation, REQUEST_ID};
///
/// static TENANT: Propagated<String> = Propagated::baggage("tenant");
///
/// let fleet = Propagation::new().key(&TENANT).baggage_to(["stock"]);
///
/// // A request comes in ...
/// let headers = HashMap::from([
///     ("x-request-id".to_owned(), "req-7".to_owned()),
///     ("baggage".to_owned(), "tenant=acme,secret=42".to_owned()),
///     ("x-request-timeout-ms".to_owned(), "1500".to_owned()),
/// ]);
/// fleet.extract(&headers).sync_scope(|| {
///     assert_eq!(TENANT.get().as_deref(), Some("acme"));
///     assert!(routines_cancel::remaining() <= Some(Duration::from_millis(1500)));
///
///     // ... and one goes out.
///     let mut headers = HashMap::<String, String>::new();
///     fleet.inject(&mut headers, &Destination::host("stock")).unwrap();
///     assert_eq!(headers["x-request-id"], "req-7");
///     assert_eq!(headers["baggage"], "tenant=acme", "what nobody declared goes no further");
/// });
/// ```
#[derive(Clone)]
pub struct Propagation(pub(crate) Arc<Shared>);

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) keys: Vec<&'static dyn Key>,
    pub(crate) deadline_header: HeaderName,
    pub(crate) max_timeout: Option<Duration>,
    pub(crate) default_timeout: Option<Duration>,
    pub(crate) hosts: Hosts,
    pub(crate) forward_unknown: bool,
    pub(crate) counters: Arc<Counters>,
}

impl Default for Propagation {
    fn default() -> Self {
        Propagation::new()
    }
}

// ===== agreeing =====

impl Propagation {
    /// Ids, trace and deadline, and no values.
    pub fn new() -> Self {
        Propagation(Arc::new(Shared {
            keys: Vec::new(),
            deadline_header: MILLIS_LEFT,
            max_timeout: None,
            default_timeout: None,
            hosts: Hosts::default(),
            forward_unknown: false,
            counters: Arc::default(),
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Takes this key's value in and sends it on.
    ///
    /// Its name may be neither another key's nor a header of HTTP's own or of this library's.
    ///
    /// # Panics
    ///
    /// If that cannot be: [`try_key`](Self::try_key) returns the error.
    #[track_caller]
    pub fn key<T: Send + Sync + 'static>(self, key: &'static Propagated<T>) -> Self {
        match self.try_key(key) {
            Ok(propagation) => propagation,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`key`](Self::key), without a panic.
    ///
    /// # Errors
    ///
    /// If another key has the same name, or if the name cannot be one where the key is to be written.
    ///
    /// ```
    /// use routines_http::{Propagated, Propagation};
    ///
    /// static TRACE: Propagated<String> = Propagated::header("traceparent");
    ///
    /// let error = Propagation::new().try_key(&TRACE).unwrap_err();
    /// assert_eq!(error.to_string(), "the key `traceparent` cannot be propagated: the header is this library's own; choose another name");
    /// ```
    pub fn try_key<T: Send + Sync + 'static>(self, key: &'static Propagated<T>) -> Result<Self, KeyError> {
        let key: &'static dyn Key = key;
        match self.0.refusal(key) {
            None => Ok(self.with(|shared| shared.keys.push(key))),
            Some(refusal) => Err(KeyError { name: key.name(), refusal }),
        }
    }

    /// Names the header in which the milliseconds left come and go; `x-request-timeout-ms` if nothing is said.
    ///
    /// # Panics
    ///
    /// If the header is a listed key's, HTTP's own, or another one of this library's.
    ///
    /// ```
    /// use http::HeaderName;
    /// use routines_http::Propagation;
    ///
    /// let fleet = Propagation::new().deadline_header(HeaderName::from_static("x-envoy-expected-rq-timeout-ms"));
    /// ```
    #[track_caller]
    pub fn deadline_header(self, name: HeaderName) -> Self {
        let taken = self.0.keys.iter().any(|key| key.place() == Place::Header && key.name() == name.as_str());
        let refusal = if taken { Some(Refusal::Taken) } else { reserved(&name) };
        if let Some(refusal) = refusal {
            panic!("the deadline cannot be in `{name}`: {refusal}");
        }
        self.with(|shared| shared.deadline_header = name)
    }

    /// Gives a request no more time than this, whatever it asks for. One that asks for none is not limited by it.
    pub fn max_timeout(self, time: Duration) -> Self {
        self.with(|shared| shared.max_timeout = Some(time))
    }

    /// Gives a request that asks for no time this much. One that asks may get more: set [`max_timeout`](Self::max_timeout), too.
    pub fn default_timeout(self, time: Duration) -> Self {
        self.with(|shared| shared.default_timeout = Some(time))
    }

    /// Lets these hosts receive values: names, or `*.domain` for all below a domain. Nobody does if nothing is said. Ports are
    /// ignored.
    pub fn baggage_to<H: Into<String>>(self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.with(|shared| hosts.into_iter().for_each(|host| shared.hosts.add(host.into())))
    }

    /// Whether members of baggage that belong to no listed key are sent on as they came, unread and unlogged, to the hosts that
    /// may receive values. They are dropped if nothing is said.
    pub fn forward_unknown_baggage(self, forward: bool) -> Self {
        self.with(|shared| shared.forward_unknown = forward)
    }

    /// What came in so far and was not taken.
    pub fn ignored(&self) -> Ignored {
        self.0.counters.read()
    }
}

impl Shared {
    /// Whether a member of baggage is a listed key's.
    pub(crate) fn lists(&self, member: &str) -> bool {
        self.keys.iter().any(|key| key.place() == Place::Baggage && key.name() == member)
    }

    fn refusal(&self, key: &dyn Key) -> Option<Refusal> {
        if self.keys.iter().any(|other| other.name() == key.name() && other.place() == key.place()) {
            return Some(Refusal::Taken);
        }
        match key.place() {
            Place::Baggage => Baggage::default().insert(key.name(), "").is_err().then_some(Refusal::NoToken),
            Place::Header => match HeaderName::from_lowercase(key.name().as_bytes()) {
                Err(_) => Some(Refusal::NoHeader),
                Ok(name) if name == self.deadline_header => Some(Refusal::Own),
                Ok(name) => reserved(&name),
            },
        }
    }
}

fn reserved(name: &HeaderName) -> Option<Refusal> {
    if headers::is_own(name) {
        return Some(Refusal::Own);
    }
    headers::is_of_http(name).then_some(Refusal::Http)
}

/// A key that cannot be propagated: see [`Propagation::try_key`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key `{name}` cannot be propagated: {refusal}")]
pub struct KeyError {
    name: &'static str,
    refusal: Refusal,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("another key has the same name; declare it once and use it in both places")]
    Taken,
    #[error("it is no token of the baggage grammar; use letters, digits, `-`, `_` and `.`")]
    NoToken,
    #[error("it is no header name; use lower-case letters, digits and `-`")]
    NoHeader,
    #[error("the header is this library's own; choose another name")]
    Own,
    #[error("the header is a part of HTTP itself; choose another name")]
    Http,
}

impl fmt::Debug for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.keys.iter().map(|key| key.name()).collect();
        f.debug_struct("Propagation").field("keys", &names).field("ignored", &self.ignored()).finish_non_exhaustive()
    }
}
