//! Owns the conversion of baggage.

use opentelemetry::baggage::{Baggage as OtelBaggage, KeyValueMetadata};
use routines_http::baggage::Baggage;

/// The same members, in no order.
///
/// ```
/// use routines_http::Baggage;
/// use routines_opentelemetry::baggage_to_otel;
///
/// let theirs = baggage_to_otel(&Baggage::parse(["token=YWJj%3D%3D;ttl=5"]).unwrap());
/// assert_eq!(theirs.get("token").unwrap().as_str(), "YWJj==");
/// ```
pub fn baggage_to_otel(baggage: &Baggage) -> OtelBaggage {
    let member = |member: routines_http::baggage::Member<'_>| {
        KeyValueMetadata::new(member.name.to_owned(), member.value.to_owned(), member.properties)
    };
    baggage.iter().map(member).collect()
}

/// The same members, ordered by name, as far as a header can have them.
///
/// Properties that no header can have are left out, not the value.
///
/// ```
/// use routines_http::Baggage;
/// use routines_opentelemetry::{baggage_from_otel, baggage_to_otel};
///
/// let ours = Baggage::parse(["a=50%25,token=YWJj%3D%3D;ttl=5"]).unwrap();
/// assert_eq!(baggage_from_otel(&baggage_to_otel(&ours)), ours);
/// ```
pub fn baggage_from_otel(theirs: &OtelBaggage) -> Baggage {
    let mut members: Vec<_> = theirs.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    let mut baggage = Baggage::new();
    for (name, (value, metadata)) in members {
        let (name, value) = (name.as_str(), value.as_str());
        if baggage.insert_with_properties(name, value, metadata.as_str()).is_err() {
            let _no_header_can_have_it = baggage.insert(name, value);
        }
    }
    baggage
}
