//! Owns sending on: what the current routine carries, as far as the destination may have it.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use routines_cancel::Cause;

use crate::baggage::Baggage;
use crate::carrier::Inject;
use crate::destination::{DeadlineForm, Destination};
use crate::headers::{BAGGAGE, GRPC_TIMEOUT, MOMENT, REQUEST_ID_HEADER, TRACEPARENT, TRACESTATE, unix_now};
use crate::key::Place;
use crate::propagation::{PASSING, Propagation, REQUEST_ID, TRACE};
use crate::timeout::{grpc_timeout, millis};

/// Headers whose values need them are written with everything but visible ASCII escaped, and `%`.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

impl Propagation {
    /// Writes what the current routine carries, as far as the destination may have it.
    ///
    /// Headers of the same names are replaced; those of listed keys, and baggage, are removed where there is no value or the destination
    /// may not have it. A value that a header cannot hold is [counted](crate::Ignored::unsent) and not sent; declared keys come before
    /// members that are passed on. The time left is what is left now; at least a millisecond is written.
    ///
    /// # Errors
    ///
    /// If the routine is cancelled or has no time left: what asks should not be sent. Nothing was written then.
    ///
    /// # Panics
    ///
    /// As the `Display` of a value does, or the function that writes it. A part of the headers may be written then.
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

    /// As [`inject`](Self::inject), for a request that may have a deadline header of its own: the earlier deadline counts.
    ///
    /// # Errors
    ///
    /// As [`inject`](Self::inject).
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue};
    /// use routines_http::{Destination, Propagation};
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert("grpc-timeout", HeaderValue::from_static("5S"));
    /// routines_cancel::with_timeout(std::time::Duration::from_secs(60))
    ///     .sync_scope(|| Propagation::new().inject_headers(&mut headers, &Destination::host("stock").grpc()))?;
    /// assert_eq!(headers["grpc-timeout"], "5000000u");
    /// # Ok::<(), routines_cancel::Cause>(())
    /// ```
    pub fn inject_headers(&self, headers: &mut HeaderMap, to: &Destination) -> Result<(), Cause> {
        let own = self.own_timeout(headers, to);
        self.inject_within(headers, to, own)
    }

    /// With no more time than `limit`.
    fn inject_within<C: Inject + ?Sized>(
        &self,
        carrier: &mut C,
        to: &Destination,
        limit: Option<Duration>,
    ) -> Result<(), Cause> {
        let left = time_left()?;
        if let Some(left) = [left, limit].into_iter().flatten().min() {
            let (name, text) = self.deadline(left, to.deadline);
            put(carrier, &name, Some(&text));
        }
        if let Some(id) = REQUEST_ID.get() {
            put(carrier, &REQUEST_ID_HEADER, Some(id.as_str()));
        }
        if let Some(trace) = TRACE.get() {
            put(carrier, &TRACEPARENT, Some(&trace.traceparent()));
            put(carrier, &TRACESTATE, Some(trace.state.as_str()).filter(|text| !text.is_empty()));
        }
        self.inject_values(carrier, self.0.hosts.may_receive(&to.host));
        Ok(())
    }

    /// The least time that the headers of a request give it already.
    fn own_timeout(&self, headers: &HeaderMap, to: &Destination) -> Option<Duration> {
        let all = |name| headers.get_all(name).iter();
        match to.deadline {
            DeadlineForm::Grpc => all(&GRPC_TIMEOUT).filter_map(|text| grpc_timeout::parse(text).ok()).min(),
            DeadlineForm::Millis => all(&self.0.deadline_header).filter_map(|text| millis::parse(text).ok()).min(),
            DeadlineForm::Moment => None,
        }
    }

    fn deadline(&self, left: Duration, form: DeadlineForm) -> (HeaderName, String) {
        match form {
            DeadlineForm::Millis => (self.0.deadline_header.clone(), millis::format(left)),
            DeadlineForm::Grpc => (GRPC_TIMEOUT, grpc_timeout::format(left)),
            DeadlineForm::Moment => (MOMENT, millis::format(unix_now().saturating_add(left))),
        }
    }

    /// Takes out what a stranger must not have, also if a caller copied it in.
    fn inject_values<C: Inject + ?Sized>(&self, carrier: &mut C, allowed: bool) {
        let mut baggage = if allowed { PASSING.get().unwrap_or_default() } else { Baggage::default() };
        for key in &self.0.keys {
            let text = if allowed { key.write() } else { None };
            match (key.place(), text) {
                // Unchanged: with what came beside the value.
                (Place::Baggage, Some(text)) if baggage.get(key.name()) == Some(&text) => {}
                (Place::Baggage, Some(text)) => self.insert(&mut baggage, key.name(), &text),
                (Place::Baggage, None) => drop(baggage.remove(key.name())),
                (Place::Header, Some(text)) => {
                    let text = utf8_percent_encode(&text, ESCAPED).to_string();
                    self.0.counters.unsent.ok(carrier.set(&HeaderName::from_static(key.name()), &text));
                }
                (Place::Header, None) => carrier.remove(&HeaderName::from_static(key.name())),
            }
        }
        put(carrier, &BAGGAGE, Some(&*baggage.header()).filter(|text| !text.is_empty()));
    }

    /// Members of others make room for a key's: nobody else can keep a service from telling what it has declared.
    fn insert(&self, baggage: &mut Baggage, name: &'static str, text: &str) {
        let unsent = &self.0.counters.unsent;
        if unsent.ok(Baggage::new().insert(name, text)).is_none() {
            baggage.remove(name);
            return;
        }
        while baggage.insert(name, text).is_err() {
            unsent.add();
            let last = baggage.iter().filter(|member| !self.0.lists(member.name)).last();
            let Some(last) = last.map(|member| member.name.to_owned()) else { return };
            baggage.remove(&last);
        }
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

fn put<C: Inject + ?Sized>(carrier: &mut C, name: &HeaderName, text: Option<&str>) {
    match text {
        None => carrier.remove(name),
        Some(text) => {
            let written = carrier.set(name, text);
            debug_assert!(written.is_ok(), "all formats write visible characters only: {text:?}");
        }
    }
}
