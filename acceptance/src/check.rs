//! Owns what must be true of the records that a request's hops give back.

use anyhow::{Context, Result, bail, ensure};

use crate::protocol::{Record, Values};
use crate::route::{Hop, Route};

/// What every hop is to find in its baggage. No value that a peer cannot send or read without a [`Fault`] but `spaces`.
pub(crate) fn baggage() -> Values {
    let values = [
        ("emoji", "🦀🚀"),
        ("equals", "a=b=c"),
        ("percent", "50%41%"),
        ("plus", "1+1"),
        ("commas", "a,b;c,"),
        ("base64", "YWJj=="),
        ("quotes", r#"say"hi"\back"#),
        ("spaces", "São Paulo"),
    ];
    values.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// What a peer is known to do wrong, asserted like everything else: a peer that mends it fails here, and the entry goes.
pub(crate) struct Fault {
    pub(crate) peer: &'static str,
    pub(crate) what: &'static str,
    /// What the next hop reads of a value that such a peer sends.
    garble: fn(&str, &Hop) -> String,
}

pub(crate) const FAULTS: [Fault; 1] = [Fault {
    peer: "python",
    what: "sends blanks of baggage form-encoded, as `+`: all but Python read a plus",
    garble: |value, to| if to.language() == "python" { value.into() } else { value.replace(' ', "+") },
}];

/// All records of one request, in order.
///
/// # Errors
///
/// The first of them that is not as it must be.
pub(crate) fn records(route: &Route, request_id: &str, sent: &Values, records: &[Record]) -> Result<()> {
    ensure!(records.len() == route.hops.len(), "{} records of {} hops", records.len(), route.hops.len());
    let mut expected = sent.clone();
    for (at, (hop, record)) in route.hops.iter().zip(records).enumerate() {
        let before = at.checked_sub(1).map(|before| (&route.hops[before], &records[before]));
        if let Some((from, _)) = before {
            arrives(&mut expected, from, hop);
        }
        one(hop, record, request_id, &expected).with_context(|| hop.name.clone())?;
        if let Some((_, before)) = before {
            two(before, record).with_context(|| hop.name.clone())?;
        }
    }
    Ok(())
}

fn arrives(values: &mut Values, from: &Hop, to: &Hop) {
    for fault in FAULTS.iter().filter(|fault| fault.peer == from.language()) {
        values.values_mut().for_each(|value| *value = (fault.garble)(value, to));
    }
}

fn one(hop: &Hop, record: &Record, request_id: &str, baggage: &Values) -> Result<()> {
    ensure!(
        record.hop == hop.language() && record.protocol == hop.protocol,
        "is {} over {:?}",
        record.hop,
        record.protocol
    );
    ensure!(record.request_id.as_deref() == Some(request_id), "request id {:?}", record.request_id);
    for name in baggage.keys().chain(record.baggage.keys()) {
        let (wanted, found) = (baggage.get(name), record.baggage.get(name));
        ensure!(wanted == found, "baggage {name}: {found:?} instead of {wanted:?}");
    }
    Ok(())
}

/// One hop and the one after it: the same trace, a step further, with less time.
fn two(before: &Record, record: &Record) -> Result<()> {
    ensure!(record.trace_id == before.trace_id, "trace {} instead of {}", record.trace_id, before.trace_id);
    let parent = record.parent_span_id.as_deref();
    ensure!(parent == Some(&before.span_id), "parent {parent:?} instead of {}", before.span_id);
    ensure!(record.span_id != before.span_id, "span {}, as the hop before", record.span_id);
    match (before.remaining_ms, record.remaining_ms) {
        (Some(before), Some(left)) if left < before => Ok(()),
        (before, left) => bail!("{left:?} ms left of {before:?}"),
    }
}
