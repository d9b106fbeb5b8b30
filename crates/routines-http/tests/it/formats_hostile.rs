//! Owns what strangers send: strategies for arbitrary, nearly valid and damaged headers, how many of them are tried, and what
//! reading them costs at most.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use routines_http::baggage::Baggage;
use routines_http::request_id::RequestId;
use routines_http::timeout::{grpc_timeout, millis};
use routines_http::trace::TraceContext;
use routines_http::trace_state::TraceState;

/// Set `FORMATS_CASES` for a long run.
pub(crate) fn many() -> ProptestConfig {
    let cases = std::env::var("FORMATS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Header lines: noise, pieces of the grammar in any order, or valid ones with damage.
pub(crate) fn lines(
    pieces: &'static [&'static str],
    valid: &'static [&'static str],
) -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(prop_oneof![1 => noise(), 4 => soup(pieces), 4 => damaged(valid)], 0..4)
}

pub(crate) fn noise() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

fn soup(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    vec(select(pieces), 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

pub(crate) fn damaged(valid: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    (select(valid), vec(damage(), 0..4)).prop_map(|(valid, damages)| {
        damages.into_iter().fold(valid.as_bytes().to_vec(), |header, damage| damage.done_to(header))
    })
}

/// How often `f` asks for memory.
fn allocations(f: impl FnOnce()) -> u64 {
    allocation_counter::measure(f).count_total
}

#[test]
fn a_request_without_headers_costs_no_memory() {
    let headers = http::HeaderMap::new();
    let asked = allocations(|| {
        assert_eq!(TraceContext::extract(&headers), Ok(None));
        assert_eq!(TraceState::extract(&headers), Ok(TraceState::new()));
        assert_eq!(Baggage::extract(&headers), (Baggage::new(), None));
    });
    assert_eq!(asked, 0);
}

#[test]
fn a_traceparent_and_a_timeout_cost_no_memory() {
    let header = "00-12345678901234567890123456789012-1234567890123456-01";
    let asked = allocations(|| {
        assert!(TraceContext::parse(header).is_ok() && TraceContext::parse("junk").is_err());
        assert!(grpc_timeout::parse("1500m").is_ok() && millis::parse("1500").is_ok() && millis::parse("-1").is_err());
    });
    assert_eq!(asked, 0);
}

#[test]
fn clones_cost_no_memory() {
    let state = TraceState::parse(["a=1,b=2"]).unwrap();
    let context = TraceContext::new_root().with_state(state);
    let baggage = Baggage::parse(["a=1,b=2"]).unwrap();
    let id = RequestId::random();
    let asked = allocations(|| {
        let (context, baggage, id) = (context.clone(), baggage.clone(), id.clone());
        assert_eq!((context.child().state.get("a"), baggage.get("b"), id.as_str().len()), (Some("1"), Some("2"), 32));
    });
    assert_eq!(asked, 0);
}

/// What is read of a header that is a thousand times too long takes no more memory than what fits.
#[test]
fn the_size_of_what_strangers_send_does_not_decide_what_it_costs() {
    let long = "a=1;p=q,b=%41,".repeat(1_000_000);
    let bytes = |f: &dyn Fn()| allocation_counter::measure(f).bytes_max;
    assert!(bytes(&|| drop(Baggage::parse_lossy([&long]))) < 64 * 1024);
    assert!(bytes(&|| drop(TraceState::parse([&long]))) < 64 * 1024);
    assert!(bytes(&|| drop(RequestId::parse(&long))) == 0);
    assert!(bytes(&|| drop(TraceContext::parse(&long))) == 0);
}

#[derive(Clone, Debug)]
enum Damage {
    Replace(Index, u8),
    Insert(Index, u8),
    Cut(Index),
    Repeat(usize),
    Swap(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = || prop_oneof![select(b"%+=,;\"\\ \t\r\n\0-0aAfFzZ@*\xff\xc3".as_slice()).prop_map(|b| b), any::<u8>()];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        any::<Index>().prop_map(Damage::Cut),
        (2..40_usize).prop_map(Damage::Repeat),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Damage::Swap(a, b)),
    ]
}

impl Damage {
    fn done_to(self, mut header: Vec<u8>) -> Vec<u8> {
        if header.is_empty() {
            return header;
        }
        match self {
            Damage::Replace(at, byte) => *at.get_mut(&mut header) = byte,
            Damage::Insert(at, byte) => header.insert(at.index(header.len()), byte),
            Damage::Cut(at) => header.truncate(at.index(header.len())),
            Damage::Repeat(times) if header.len() < 3_000 => header = vec![header; times].join(&b','),
            Damage::Repeat(_) => {}
            Damage::Swap(a, b) => {
                let (a, b) = (a.index(header.len()), b.index(header.len()));
                header.swap(a, b);
            }
        }
        header
    }
}
