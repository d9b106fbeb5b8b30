//! Owns what the services of the fleet agree on: which context travels, and what the context of an order must be.
//!
//! The truth of a line or an answer is the order it is about. Code that logs is handed that number as an argument; request id,
//! trace and tenant follow from it, as the client chose them, and nobody but the client and the checker works them out.

use std::time::Duration;

use routines_http::{Propagated, Propagation, REQUEST_ID, TRACE};
use serde::{Deserialize, Serialize};

/// Whose order it is. Travels as baggage.
pub(super) static TENANT: Propagated<String> = Propagated::baggage("tenant");

/// What the front calls the inventory by, where it may receive baggage.
pub(super) const INVENTORY: &str = "inventory";

/// What all services of the fleet take in and send on.
pub(super) fn propagation() -> Propagation {
    Propagation::new().key(&TENANT).baggage_to([INVENTORY])
}

/// Whose work something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) request_id: String,
    pub(super) trace_id: String,
    pub(super) tenant: String,
}

impl Owner {
    /// Of the order, by what its client says.
    pub(super) fn of(order: u64) -> Owner {
        Owner { request_id: format!("req-{order}"), trace_id: format!("{:032x}", trace(order)), tenant: tenant(order) }
    }

    /// Of the code that runs, by what is bound here; empty where nothing is.
    pub(super) fn current() -> Owner {
        Owner {
            request_id: REQUEST_ID.get().map(|id| id.to_string()).unwrap_or_default(),
            trace_id: TRACE.get().map(|trace| trace.trace_id.to_string()).unwrap_or_default(),
            tenant: TENANT.get().unwrap_or_default(),
        }
    }
}

/// The headers with which the client of an order says whose it is.
pub(super) fn headers(order: u64, timeout: Option<Duration>) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("x-request-id", format!("req-{order}")),
        ("traceparent", format!("00-{:032x}-{:016x}-01", trace(order), order | 1 << 63)),
        ("baggage", format!("tenant={},secret=42", percent(&tenant(order)))),
    ];
    headers.extend(timeout.map(|time| ("x-request-timeout-ms", time.as_millis().to_string())));
    headers
}

/// A number that no two orders share, and that is no order's own.
fn trace(order: u64) -> u128 {
    (u128::from(order) + 1) << 64 | u128::from(order.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Nasty: what careless peers misread.
fn tenant(order: u64) -> String {
    match order % 4 {
        0 => format!("shop {order}"),
        1 => format!("a=b;c,{order} 100%"),
        2 => format!("läden+{order} 🛒"),
        _ => format!("\"{order}\\"),
    }
}

/// Every byte escaped that is no letter or digit: nothing is left to any reader's taste.
fn percent(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn what_the_client_says_is_what_the_fleet_takes_in() {
        for order in [0, 1, 2, 3, u64::MAX >> 1] {
            let headers: HashMap<String, String> =
                headers(order, None).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let owner = propagation().extract(&headers).sync_scope(Owner::current);
            assert_eq!(owner, Owner::of(order));
        }
        assert_eq!(propagation().ignored().total(), 0);
    }

    #[test]
    fn no_two_orders_share_anything() {
        let (one, other) = (Owner::of(7), Owner::of(11));
        assert!(one.request_id != other.request_id && one.trace_id != other.trace_id && one.tenant != other.tenant);
    }
}
