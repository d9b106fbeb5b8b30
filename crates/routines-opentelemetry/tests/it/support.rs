//! Owns what the tests convert.

use routines_http::trace::TraceContext;
use routines_http::trace_state::TraceState;
use routines_http::{Baggage, Propagated, Propagation};

pub(crate) static TENANT: Propagated<String> = Propagated::baggage("tenant");
pub(crate) static REGION: Propagated<String> = Propagated::header("x-region");

pub(crate) fn fleet() -> Propagation {
    Propagation::new().key(&TENANT).key(&REGION)
}

/// Values that some codec or other does not bring back.
pub(crate) const AWKWARD: [&str; 10] =
    ["", "plain", "YWJj==", "50%", "50%41", "1+1", "a,b;c=d", "\"q\\", "S\u{e3}o \u{1f980}", " in spaces "];

pub(crate) fn awkward() -> Baggage {
    let mut baggage = Baggage::new();
    for (at, value) in AWKWARD.iter().enumerate() {
        baggage.insert(&format!("key{at}"), value).unwrap();
    }
    baggage
}

/// In the one trace, with these flags and a state of two.
pub(crate) fn trace(flags: &str) -> TraceContext {
    let trace = TraceContext::parse(format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}")).unwrap();
    trace.with_state(TraceState::parse(["zeta=1,vendor@system=a:b"]).unwrap())
}
