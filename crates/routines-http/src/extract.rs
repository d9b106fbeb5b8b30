//! Owns taking in: what of a request's headers is believed.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use percent_encoding::percent_decode;
use routines::Bindings;

use crate::baggage::Baggage;
use crate::carrier::Extract;
use crate::headers::{GRPC_TIMEOUT, MOMENT, REQUEST_ID_HEADER, find, unix_now};
use crate::incoming::Incoming;
use crate::key::{Key, Place};
use crate::propagation::{CALLER_TRACE, PASSING, Propagation, REQUEST_ID, TRACE};
use crate::request_id::RequestId;
use crate::timeout::{grpc_timeout, millis};
use crate::trace::TraceContext;
use crate::trace_state::TraceState;

impl Propagation {
    /// Reads what came with a request from a neighbour that is trusted with ids and values.
    ///
    /// Never fails, and does not panic: what is malformed or too much is [counted](Self::ignored) and left out. Reads a bounded part of
    /// every header. Costs a few hundred nanoseconds, and as much again for each value.
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
    /// [`Destination::queue`](crate::Destination::queue).
    pub fn extract_message<C: Extract + ?Sized>(&self, carrier: &C) -> Incoming {
        self.read(carrier, true, self.timeout_by_moment(carrier))
    }

    fn read<C: Extract + ?Sized>(&self, carrier: &C, trusted: bool, timeout: Option<Duration>) -> Incoming {
        let remote = if trusted { self.trace(carrier) } else { None };
        let trace = remote.as_ref().map_or_else(TraceContext::new_root, TraceContext::child);
        let request_id = if trusted { self.request_id(carrier) } else { None }.unwrap_or_else(RequestId::random);
        let mut bindings = Bindings::new().with(&REQUEST_ID, request_id.clone()).with(&TRACE, trace.clone());
        if let Some(remote) = &remote {
            bindings = bindings.with(&CALLER_TRACE, remote.clone());
        }
        let (mut absent, mut passes) = (self.0.keys.clone(), false);
        if trusted {
            let baggage = self.baggage(carrier);
            absent.retain(|key| !self.take(*key, &baggage, carrier, &mut bindings));
            let passing = self.passing(baggage);
            passes = !passing.is_empty();
            if passes {
                bindings = bindings.with(&PASSING, passing);
            }
        }
        let deadline = timeout.and_then(|time| Instant::now().checked_add(time));
        Incoming { request_id, trace, remote, timeout, deadline, bindings, passes, absent }
    }

    /// Binds the key's value, if one came that its codec can read.
    fn take<C: Extract + ?Sized>(&self, key: &dyn Key, from: &Baggage, or: &C, bindings: &mut Bindings) -> bool {
        let text = match key.place() {
            Place::Baggage => from.get(key.name()).map(Cow::Borrowed),
            Place::Header => self.header_value(or, key.name()).map(Cow::Owned),
        };
        let Some(text) = text else { return false };
        let read = key.read(&text, std::mem::take(bindings));
        let taken = read.is_ok();
        *bindings = read.unwrap_or_else(|unchanged| unchanged);
        if !taken {
            self.0.counters.value.add();
        }
        taken
    }

    fn header_value<C: Extract + ?Sized>(&self, carrier: &C, name: &'static str) -> Option<String> {
        let decode = |text: &[u8]| Some(percent_decode(text.trim_ascii()).decode_utf8_lossy().into_owned());
        find(carrier, name, decode).good(&self.0.counters.value)
    }

    fn trace<C: Extract + ?Sized>(&self, carrier: &C) -> Option<TraceContext> {
        let counters = &self.0.counters;
        let trace = counters.traceparent.ok(TraceContext::extract(carrier))??;
        match counters.tracestate.ok(TraceState::extract(carrier)) {
            Some(state) => Some(trace.with_state(state)),
            None => Some(trace),
        }
    }

    fn request_id<C: Extract + ?Sized>(&self, carrier: &C) -> Option<RequestId> {
        let parse = |text: &[u8]| RequestId::parse(text).ok();
        find(carrier, REQUEST_ID_HEADER.as_str(), parse).good(&self.0.counters.request_id)
    }

    fn baggage<C: Extract + ?Sized>(&self, carrier: &C) -> Baggage {
        let (baggage, error) = Baggage::extract(carrier);
        if error.is_some() {
            self.0.counters.baggage.add();
        }
        baggage
    }

    /// What is sent on as it came: members of nobody here, if that was asked for, and what listed keys' members say beside
    /// their value.
    fn passing(&self, mut baggage: Baggage) -> Baggage {
        baggage.retain(
            |member| if self.0.lists(member.name) { !member.properties.is_empty() } else { self.0.forward_unknown },
        );
        baggage
    }

    fn timeout<C: Extract + ?Sized>(&self, carrier: &C) -> Option<Duration> {
        let counter = &self.0.counters.deadline;
        let grpc = find(carrier, GRPC_TIMEOUT.as_str(), |text| grpc_timeout::parse(text).ok()).good(counter);
        let plain = find(carrier, self.0.deadline_header.as_str(), |text| millis::parse(text).ok()).good(counter);
        self.limited([grpc, plain].into_iter().flatten().min())
    }

    fn timeout_by_moment<C: Extract + ?Sized>(&self, carrier: &C) -> Option<Duration> {
        let moment = find(carrier, MOMENT.as_str(), |text| millis::parse(text).ok()).good(&self.0.counters.deadline);
        self.limited(moment.map(|moment| moment.saturating_sub(unix_now())))
    }

    fn limited(&self, time: Option<Duration>) -> Option<Duration> {
        let time = time.map(|time| time.min(self.0.max_timeout.unwrap_or(Duration::MAX)));
        time.or(self.0.default_timeout)
    }
}
