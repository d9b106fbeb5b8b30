//! Owns what a service agrees to take in and to send on.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderName;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};
use routines::{Bindings, Local};
use routines_cancel::Cause;

use crate::baggage::Baggage;
use crate::carrier::{Extract, Inject};
use crate::destination::{DeadlineForm, Destination, Hosts};
use crate::ignored::{Counters, Ignored};
use crate::incoming::Incoming;
use crate::key::{Key, Place, Propagated};
use crate::request_id::RequestId;
use crate::timeout::{grpc_timeout, millis};
use crate::trace::TraceContext;
use crate::trace_state::TraceState;

/// The id the current request is known by, in logs as `request_id`.
pub static REQUEST_ID: Local<RequestId> = Local::new().named_display("request_id");

/// The trace the current work belongs to, in logs as `trace_id`.
pub static TRACE: Local<TraceContext> = Local::new().named_display("trace_id");

/// In logs a trace is its id.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.trace_id, f)
    }
}

/// Members of baggage that are nobody's here, to be sent on as they came. Not shown.
static PASSING: Local<Baggage> = Local::new();

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const MILLIS_LEFT: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const MOMENT: HeaderName = HeaderName::from_static("x-request-deadline-unix-ms");

/// Headers whose values need them are written with everything but visible ASCII escaped, and `%`.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

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
pub struct Propagation(Arc<Shared>);

#[derive(Clone)]
struct Shared {
    keys: Vec<&'static dyn Key>,
    deadline_header: HeaderName,
    max_timeout: Option<Duration>,
    default_timeout: Option<Duration>,
    hosts: Hosts,
    forward_unknown: bool,
    counters: Arc<Counters>,
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
    /// # Panics
    ///
    /// If another key has the same name, or if it is to be a header and its name cannot be one.
    #[track_caller]
    pub fn key<T: Send + Sync + 'static>(self, key: &'static Propagated<T>) -> Self {
        let key: &'static dyn Key = key;
        if let Err(why) = self.0.accepts(key) {
            panic!("cannot propagate the key `{}`: {why}", key.name());
        }
        self.with(|shared| shared.keys.push(key))
    }

    /// Names the header in which the milliseconds left come and go; `x-request-timeout-ms` if nothing is said.
    ///
    /// ```
    /// use http::HeaderName;
    /// use routines_http::Propagation;
    ///
    /// let fleet = Propagation::new().deadline_header(HeaderName::from_static("x-envoy-expected-rq-timeout-ms"));
    /// ```
    pub fn deadline_header(self, name: HeaderName) -> Self {
        self.with(|shared| shared.deadline_header = name)
    }

    /// Gives a request no more time than this, whatever it asks for. One that asks for none is not limited by it.
    pub fn max_timeout(self, time: Duration) -> Self {
        self.with(|shared| shared.max_timeout = Some(time))
    }

    /// Gives a request that asks for no time this much.
    pub fn default_timeout(self, time: Duration) -> Self {
        self.with(|shared| shared.default_timeout = Some(time))
    }

    /// Lets these hosts receive values: names, or `*.domain` for all below a domain. Nobody does if nothing is said.
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
    fn accepts(&self, key: &dyn Key) -> Result<(), &'static str> {
        if self.keys.iter().any(|other| other.name() == key.name() && other.place() == key.place()) {
            return Err("another key has the same name");
        }
        let fits = match key.place() {
            Place::Header => HeaderName::from_lowercase(key.name().as_bytes()).is_ok(),
            Place::Baggage => Baggage::default().insert(key.name(), "").is_ok(),
        };
        if fits { Ok(()) } else { Err("the name must be a lower-case header name, or a token of the baggage grammar") }
    }
}

// ===== taking in =====

impl Propagation {
    /// Reads what came with a request from a neighbour that is trusted with ids and values.
    ///
    /// Never fails: what is malformed or too much is [counted](Self::ignored) and left out. Reads a bounded part of every header.
    pub fn extract<C: Extract + ?Sized>(&self, carrier: &C) -> Incoming {
        self.read(carrier, true, self.timeout(carrier))
    }

    /// As [`extract`](Self::extract), from anybody: ids are made anew and values are not read. The deadline is: a stranger may
    /// ask for less time, and not for more than [`max_timeout`](Self::max_timeout).
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use routines_http::{Propagation, REQUEST_ID};
    ///
    /// let headers = HashMap::from([("x-request-id".to_owned(), "forged".to_owned())]);
    /// let incoming = Propagation::new().extract_untrusted(&headers);
    /// assert_ne!(incoming.request_id().as_str(), "forged");
    /// ```
    pub fn extract_untrusted<C: Extract + ?Sized>(&self, carrier: &C) -> Incoming {
        self.read(carrier, false, self.timeout(carrier))
    }

    /// As [`extract`](Self::extract), for a message that may have waited, or for a child process: see
    /// [`Destination::queue`].
    pub fn extract_message<C: Extract + ?Sized>(&self, carrier: &C) -> Incoming {
        self.read(carrier, true, self.timeout_by_moment(carrier))
    }

    fn read<C: Extract + ?Sized>(&self, carrier: &C, trusted: bool, timeout: Option<Duration>) -> Incoming {
        let remote = if trusted { self.trace(carrier) } else { None };
        let trace = remote.as_ref().map_or_else(TraceContext::new_root, TraceContext::child);
        let request_id = if trusted { self.request_id(carrier) } else { None }.unwrap_or_else(RequestId::random);
        let mut bindings = Bindings::new().with(&REQUEST_ID, request_id.clone()).with(&TRACE, trace.clone());
        let mut absent = self.0.keys.clone();
        if trusted {
            let baggage = self.baggage(carrier);
            absent.retain(|key| {
                let text = match key.place() {
                    Place::Baggage => baggage.get(key.name()).map(str::to_owned),
                    Place::Header => header_value(carrier, key.name()),
                };
                !text.is_some_and(|text| self.bind(*key, &text, &mut bindings))
            });
            if self.0.forward_unknown {
                bindings = bindings.with(&PASSING, self.unknown(baggage));
            }
        }
        Incoming { request_id, trace, remote, timeout, bindings, absent }
    }

    fn bind(&self, key: &dyn Key, text: &str, bindings: &mut Bindings) -> bool {
        let (with, bound) = match key.read(text, std::mem::take(bindings)) {
            Ok(with) => (with, true),
            Err(without) => (without, false),
        };
        *bindings = with;
        if !bound {
            self.0.counters.value.add();
        }
        bound
    }

    fn trace<C: Extract + ?Sized>(&self, carrier: &C) -> Option<TraceContext> {
        let counters = &self.0.counters;
        let trace = match find(carrier, &TRACEPARENT) {
            Found::One(text) => counters.traceparent.ok(TraceContext::parse(&text))?,
            Found::None => return None,
            Found::Bad => {
                counters.traceparent.add();
                return None;
            }
        };
        match counters.tracestate.ok(TraceState::parse(lines(carrier, &TRACESTATE))) {
            Some(state) => Some(trace.with_state(state)),
            None => Some(trace),
        }
    }

    fn request_id<C: Extract + ?Sized>(&self, carrier: &C) -> Option<RequestId> {
        let counter = &self.0.counters.request_id;
        match find(carrier, &REQUEST_ID_HEADER) {
            Found::One(text) => counter.ok(RequestId::parse(&text)),
            Found::None => None,
            Found::Bad => {
                counter.add();
                None
            }
        }
    }

    fn baggage<C: Extract + ?Sized>(&self, carrier: &C) -> Baggage {
        let (baggage, error) = Baggage::parse_lossy(lines(carrier, &BAGGAGE));
        if error.is_some() {
            self.0.counters.baggage.add();
        }
        baggage
    }

    /// Without the members of listed keys, which go on with the values they have then.
    fn unknown(&self, mut baggage: Baggage) -> Baggage {
        baggage
            .retain(|member| !self.0.keys.iter().any(|key| key.place() == Place::Baggage && key.name() == member.name));
        baggage
    }

    fn timeout<C: Extract + ?Sized>(&self, carrier: &C) -> Option<Duration> {
        let grpc = self.one_timeout(find(carrier, &GRPC_TIMEOUT), |text| grpc_timeout::parse(text).ok());
        let plain = self.one_timeout(find(carrier, &self.0.deadline_header), |text| millis::parse(text).ok());
        self.limited([grpc, plain].into_iter().flatten().min())
    }

    fn timeout_by_moment<C: Extract + ?Sized>(&self, carrier: &C) -> Option<Duration> {
        let moment = self.one_timeout(find(carrier, &MOMENT), |text| millis::parse(text).ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.limited(moment.map(|moment| moment.saturating_sub(now)))
    }

    fn one_timeout(&self, found: Found, parse: impl FnOnce(&[u8]) -> Option<Duration>) -> Option<Duration> {
        let parsed = match found {
            Found::None => return None,
            Found::One(text) => parse(&text),
            Found::Bad => None,
        };
        if parsed.is_none() {
            self.0.counters.deadline.add();
        }
        parsed
    }

    fn limited(&self, time: Option<Duration>) -> Option<Duration> {
        let time = time.map(|time| time.min(self.0.max_timeout.unwrap_or(Duration::MAX)));
        time.or(self.0.default_timeout)
    }
}

/// A header of which there may be one.
enum Found {
    None,
    One(Vec<u8>),
    /// More than one, or too much.
    Bad,
}

/// More than any format here may have: what is further back is not looked at.
const MOST: usize = 16 * 1024;

fn find<C: Extract + ?Sized>(carrier: &C, name: &HeaderName) -> Found {
    let mut found = Found::None;
    carrier.each(name.as_str(), &mut |value| {
        found = match found {
            Found::None if value.len() <= MOST => Found::One(value.to_owned()),
            _ => Found::Bad,
        };
    });
    found
}

/// A header that may come in several lines.
fn lines<C: Extract + ?Sized>(carrier: &C, name: &HeaderName) -> Vec<Vec<u8>> {
    let (mut lines, mut room) = (Vec::new(), MOST);
    carrier.each(name.as_str(), &mut |value| {
        if room > 0 {
            lines.push(value[..value.len().min(room)].to_owned());
            // An empty line has its price, too.
            room = room.saturating_sub(value.len() + 1);
        }
    });
    lines
}

fn header_value<C: Extract + ?Sized>(carrier: &C, name: &'static str) -> Option<String> {
    match find(carrier, &HeaderName::from_static(name)) {
        Found::One(text) => Some(percent_decode(text.trim_ascii()).decode_utf8_lossy().into_owned()),
        _ => None,
    }
}

// ===== sending on =====

impl Propagation {
    /// Writes what the current routine carries, as far as the destination may have it.
    ///
    /// Headers of the same names are replaced. The time left is what is left now; at least a millisecond is written.
    ///
    /// # Errors
    ///
    /// If the routine is cancelled or has no time left: what asks should not be sent. Nothing was written then.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::time::Duration;
    /// use routines_cancel::{Cause, with_timeout};
    /// use routines_http::{Destination, Propagation};
    ///
    /// let refused = with_timeout(Duration::ZERO)
    ///     .sync_scope(|| Propagation::new().inject(&mut HashMap::<String, String>::new(), &Destination::unknown()));
    /// assert!(matches!(refused, Err(Cause::DeadlineExceeded)));
    /// ```
    pub fn inject<C: Inject + ?Sized>(&self, carrier: &mut C, to: &Destination) -> Result<(), Cause> {
        self.inject_within(carrier, to, None)
    }

    /// As [`inject`](Self::inject), with no more time than `limit`.
    pub(crate) fn inject_within<C: Inject + ?Sized>(
        &self,
        carrier: &mut C,
        to: &Destination,
        limit: Option<Duration>,
    ) -> Result<(), Cause> {
        let left = time_left()?;
        if let Some(left) = [left, limit].into_iter().flatten().min() {
            let (name, text) = self.deadline(left, to.deadline);
            put(carrier, &name, &text);
        }
        if let Some(id) = REQUEST_ID.get() {
            put(carrier, &REQUEST_ID_HEADER, id.as_str());
        }
        if let Some(trace) = TRACE.get() {
            put(carrier, &TRACEPARENT, &trace.traceparent());
            put(carrier, &TRACESTATE, trace.state.as_str());
        }
        self.inject_values(carrier, self.0.hosts.may_receive(&to.host));
        Ok(())
    }

    /// The time the headers of a request give it already.
    #[cfg(feature = "tower")]
    pub(crate) fn own_timeout(&self, headers: &http::HeaderMap, to: &Destination) -> Option<Duration> {
        let find = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        match to.deadline {
            DeadlineForm::Grpc => grpc_timeout::parse(find(&GRPC_TIMEOUT)?).ok(),
            DeadlineForm::Millis => millis::parse(find(&self.0.deadline_header)?).ok(),
            DeadlineForm::Moment => None,
        }
    }

    fn deadline(&self, left: Duration, form: DeadlineForm) -> (HeaderName, String) {
        match form {
            DeadlineForm::Millis => (self.0.deadline_header.clone(), millis::format(left)),
            DeadlineForm::Grpc => (GRPC_TIMEOUT, grpc_timeout::format(left)),
            DeadlineForm::Moment => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                (MOMENT, millis::format(now.saturating_add(left)))
            }
        }
    }

    /// Takes out what a stranger must not have, also if a caller copied it in.
    fn inject_values<C: Inject + ?Sized>(&self, carrier: &mut C, allowed: bool) {
        let mut baggage = if allowed { PASSING.get().unwrap_or_default() } else { Baggage::default() };
        for key in &self.0.keys {
            let text = if allowed { key.write() } else { None };
            match (key.place(), text) {
                (Place::Baggage, Some(text)) => {
                    // Over the limits: the last keys stay here. Whoever needs more than 8 kB of baggage needs a database.
                    let _ = baggage.insert(key.name(), &text);
                }
                (Place::Baggage, None) => {}
                (Place::Header, text) => {
                    let text = text.map(|text| utf8_percent_encode(&text, ESCAPED).to_string());
                    put(carrier, &HeaderName::from_static(key.name()), &text.unwrap_or_default());
                }
            }
        }
        put(carrier, &BAGGAGE, &baggage.header());
    }
}

/// The time left; an error if there is none, or no sense in going on.
fn time_left() -> Result<Option<Duration>, Cause> {
    routines_cancel::check()?;
    match routines_cancel::remaining() {
        Some(Duration::ZERO) => Err(Cause::DeadlineExceeded),
        left => Ok(left),
    }
}

fn put<C: Inject + ?Sized>(carrier: &mut C, name: &HeaderName, text: &str) {
    if text.is_empty() {
        carrier.remove(name);
    } else {
        let written = carrier.set(name, text);
        debug_assert!(written.is_ok(), "all formats write visible characters only: {text:?}");
    }
}

impl fmt::Debug for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.keys.iter().map(|key| key.name()).collect();
        f.debug_struct("Propagation").field("keys", &names).field("ignored", &self.ignored()).finish_non_exhaustive()
    }
}
