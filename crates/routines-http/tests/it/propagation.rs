//! Owns the promises of what is taken in and sent on, whatever carries it.

use std::collections::HashMap;
use std::time::Duration;

use routines_cancel::Cause;
use routines_http::{CALLER_TRACE, Destination, Propagated, Propagation, REQUEST_ID, TRACE, TraceContext};

use crate::support::{REGION, TENANT, fleet};

type Headers = HashMap<String, String>;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn sent(propagation: &Propagation, to: &Destination) -> Headers {
    let mut headers = Headers::new();
    propagation.inject(&mut headers, to).unwrap();
    headers
}

fn ours() -> Destination {
    Destination::host("stock.internal")
}

/// What a service sends on of the baggage it got.
fn through(propagation: &Propagation, baggage: &str) -> Option<String> {
    let incoming = propagation.extract(&headers(&[("baggage", baggage)]));
    incoming.sync_scope(|| sent(propagation, &ours()).remove("baggage"))
}

#[test]
fn what_nobody_declared_goes_no_further_unless_it_is_asked_for() {
    let baggage = "tenant=acme,theirs=a%2Bb;ttl=5";
    assert_eq!(through(&fleet(), baggage).as_deref(), Some("tenant=acme"));
    let open = fleet().forward_unknown_baggage(true);
    assert_eq!(through(&open, baggage).as_deref(), Some("theirs=a%2Bb;ttl=5,tenant=acme"));
}

#[test]
fn what_a_peer_said_beside_a_value_goes_on_with_it_until_the_value_changes() {
    let incoming = fleet().extract(&headers(&[("baggage", "tenant=acme;ttl=5")]));
    incoming.sync_scope(|| {
        assert_eq!(sent(&fleet(), &ours())["baggage"], "tenant=acme;ttl=5");
        TENANT.set("globex".into());
        assert_eq!(sent(&fleet(), &ours())["baggage"], "tenant=globex");
        TENANT.remove();
        assert_eq!(sent(&fleet(), &ours()).get("baggage"), None);
    });
}

#[test]
fn nothing_of_one_message_is_seen_in_the_next_even_inside_it() {
    let open = fleet().forward_unknown_baggage(true);
    let caller = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let outer = open.extract(&headers(&[("baggage", "tenant=acme,theirs=1"), ("x-region", "eu"), caller]));
    outer.sync_scope(|| {
        assert_eq!(CALLER_TRACE.get().as_ref(), outer.remote());
        for inner in [open.extract(&Headers::new()), open.extract_untrusted(&headers(&[("baggage", "tenant=x")]))] {
            inner.sync_scope(|| {
                assert_eq!((TENANT.get(), REGION.get(), CALLER_TRACE.get()), (None, None, None));
                assert_eq!(sent(&open, &ours()).get("baggage"), None);
            });
        }
        assert_eq!(TENANT.get().as_deref(), Some("acme"));
    });
}

#[test]
fn a_value_its_codec_does_not_read_is_unbound_and_counted() {
    static AGE: Propagated<u8> = Propagated::baggage("age");
    let fleet = Propagation::new().key(&AGE);
    for wrong in ["age=300", "age=", "age=-1"] {
        fleet.extract(&headers(&[("baggage", wrong)])).sync_scope(|| assert_eq!(AGE.get(), None, "{wrong}"));
    }
    assert_eq!(fleet.ignored().value, 3);
    fleet.extract(&headers(&[("baggage", "age=30")])).sync_scope(|| assert_eq!(AGE.get(), Some(30)));
}

#[test]
fn every_text_comes_back_from_baggage_and_from_a_header_of_its_own() {
    for text in
        ["", " ", "a=b", "50%41", "YWJj==", "São Paulo, 100 % + \u{1f980}", "a;b,c\"d\\", "\r\nx-evil: 1", "\0\u{7f}"]
    {
        let all = routines::Bindings::new().with(&TENANT, text.to_owned()).with(&REGION, text.to_owned());
        let sent = all.sync_scope(|| sent(&fleet(), &ours()));
        assert!(sent.values().all(|value| value.bytes().all(|b| b.is_ascii_graphic())), "{sent:?}");
        fleet().extract(&sent).sync_scope(|| {
            assert_eq!(TENANT.get().as_deref(), Some(text), "{sent:?}");
            assert_eq!(REGION.get().as_deref(), Some(text), "{sent:?}");
        });
    }
}

#[test]
fn values_beyond_the_limits_are_counted_and_the_others_sent() {
    let fleet = fleet();
    TENANT.sync_scope("x".repeat(9000), || {
        REGION.sync_scope("eu".into(), || {
            let sent = sent(&fleet, &ours());
            assert_eq!((sent.get("baggage"), sent["x-region"].as_str()), (None, "eu"));
        });
    });
    assert_eq!(fleet.ignored().unsent, 1);
}

#[test]
fn a_service_is_a_child_in_its_callers_trace_and_its_callers_state_goes_on() {
    let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let incoming = fleet().extract(&headers(&[("traceparent", caller), ("tracestate", "a=1,b=2")]));
    let remote = incoming.remote().unwrap().clone();
    assert_eq!(remote.traceparent(), caller);
    incoming.sync_scope(|| {
        let sent = sent(&fleet(), &Destination::unknown());
        let here = TraceContext::parse(&sent["traceparent"]).unwrap();
        assert_eq!(here.trace_id, remote.trace_id);
        assert_ne!(here.span_id, remote.span_id);
        assert_eq!(here.span_id, TRACE.get().unwrap().span_id);
        assert_eq!(sent["tracestate"], "a=1,b=2");
    });
}

#[test]
fn a_message_that_waited_has_the_time_that_is_left_since_it_was_sent() {
    let mut message = Headers::new();
    routines_cancel::with_timeout(Duration::from_secs(60))
        .sync_scope(|| fleet().inject(&mut message, &Destination::queue()))
        .unwrap();
    assert!(!message.contains_key("x-request-timeout-ms"));
    let left = fleet().extract_message(&message).timeout().unwrap();
    assert!(left > Duration::from_secs(50) && left <= Duration::from_secs(60), "{left:?}");
    message.insert("x-request-deadline-unix-ms".into(), "1000".into());
    fleet().extract_message(&message).sync_scope(|| {
        assert!(
            matches!(routines_cancel::check(), Err(Cause::DeadlineExceeded))
                || routines_cancel::remaining() == Some(Duration::ZERO)
        );
    });
}

#[test]
fn ids_and_trace_are_on_log_lines_under_their_names() {
    let mut names = Vec::new();
    let incoming = fleet().extract(&headers(&[("x-request-id", "req-7"), ("baggage", "tenant=acme")]));
    incoming.sync_scope(|| routines::for_each_named(|name, value| names.push(format!("{name}={value}"))));
    names.sort();
    let trace = format!("trace_id={}", incoming.trace().trace_id);
    assert_eq!(names, ["request_id=req-7", "tenant=acme", &trace]);
}

#[test]
fn a_key_is_refused_where_its_name_cannot_be_written() {
    static SPACED: Propagated<String> = Propagated::baggage("two words");
    static UPPER: Propagated<String> = Propagated::header("X-Upper");
    static OURS: Propagated<String> = Propagated::header("baggage");
    for error in [
        Propagation::new().try_key(&SPACED).unwrap_err(),
        Propagation::new().try_key(&UPPER).unwrap_err(),
        Propagation::new().try_key(&OURS).unwrap_err(),
        fleet().try_key(&TENANT).unwrap_err(),
    ] {
        assert!(error.to_string().starts_with("the key `"), "{error}");
    }
}

#[test]
fn clones_count_together() {
    let fleet = fleet();
    fleet.clone().extract(&headers(&[("x-request-id", "two words")])).sync_scope(|| {
        assert_ne!(REQUEST_ID.get().unwrap().as_str(), "two words");
    });
    assert_eq!((fleet.ignored().request_id, fleet.ignored().total()), (1, 1));
}
