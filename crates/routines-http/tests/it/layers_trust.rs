//! Owns what is believed and what is written when somebody does their worst: strangers, neighbours, and the service's own types.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName};
use routines::{Bindings, Local};
use routines_cancel::{Cause, with_timeout};
use routines_http::carrier::{Extract, Inject};
use routines_http::{Destination, Propagated, Propagation, REQUEST_ID, TRACE, TraceState};

use crate::support::{REGION, TENANT, fleet};

type Headers = HashMap<String, String>;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn ours() -> Destination {
    Destination::host("stock.internal")
}

fn sent(propagation: &Propagation) -> Headers {
    let mut headers = Headers::new();
    propagation.inject(&mut headers, &ours()).unwrap();
    headers
}

const HOSTILE: [&str; 9] =
    ["a\r\nx-evil: 1", "a\nb", "\0", "\u{7f}", "é", " padded ", "\t", "\u{2028}", "a\r\n\r\nGET /evil HTTP/1.1\r\n"];

// ===== values =====

#[test]
fn no_value_breaks_out_of_its_header_in_any_carrier() {
    for value in HOSTILE {
        let bindings = Bindings::new().with(&TENANT, value.to_owned()).with(&REGION, value.to_owned());
        let mut map = HeaderMap::new();
        let (mut strings, mut bytes) = (Headers::new(), Vec::<(String, Vec<u8>)>::new());
        let mut command = std::process::Command::new("true");
        bindings.sync_scope(|| {
            fleet().inject(&mut map, &ours()).unwrap();
            fleet().inject(&mut strings, &ours()).unwrap();
            fleet().inject(&mut bytes, &ours()).unwrap();
            fleet().inject(&mut command, &Destination::child_process()).unwrap();
        });
        let written = (map.values().map(|value| value.as_bytes().to_vec()))
            .chain(strings.values().map(|value| value.clone().into_bytes()))
            .chain(bytes.iter().map(|(_, value)| value.clone()))
            .chain(command.get_envs().filter_map(|(_, value)| Some(value?.to_str().unwrap().as_bytes().to_vec())));
        let mut count = 0;
        for written in written {
            assert!(written.iter().all(u8::is_ascii_graphic), "{written:?}");
            count += 1;
        }
        assert_eq!((count, map.len(), strings.len(), bytes.len()), (8, 2, 2, 2), "{value:?}");
        for carrier in [&map as &dyn Extract, &strings, &bytes.as_slice()] {
            fleet().extract(carrier).sync_scope(|| {
                assert_eq!((TENANT.get().as_deref(), REGION.get().as_deref()), (Some(value), Some(value)));
            });
        }
    }
}

#[test]
fn a_header_value_that_is_too_long_is_counted_and_not_sent_in_part() {
    let fleet = fleet();
    let mut headers = headers(&[("x-region", "of an earlier try")]);
    for long in ["x".repeat(8193), "é".repeat(2000)] {
        REGION.sync_scope(long, || fleet.inject(&mut headers, &ours()).unwrap());
        assert_eq!(headers.get("x-region"), None);
    }
    assert_eq!(fleet.ignored().unsent, 2);
    // As a neighbour may send it.
    let arrived = fleet.extract(&self::headers(&[("x-region", &"x".repeat(9000))]));
    arrived.sync_scope(|| assert_eq!(sent(&fleet).get("x-region"), None));
    assert_eq!(fleet.ignored().unsent, 3);
}

#[test]
fn what_others_have_in_baggage_does_not_crowd_out_a_declared_key() {
    let open = fleet().forward_unknown_baggage(true);
    let many: Vec<_> = (0..64).map(|n| format!("m{n}=v")).collect();
    let long = format!("m={}", "x".repeat(8190));
    for (theirs, lost) in [(many.join(","), 1), (long, 1)] {
        let before = open.ignored().unsent;
        let sent = open.extract(&headers(&[("baggage", &theirs)])).sync_scope(|| {
            TENANT.set("acme".into());
            sent(&open).remove("baggage").unwrap()
        });
        assert!(sent.ends_with("tenant=acme"), "{sent}");
        assert_eq!(
            (sent.split(',').count() + lost - 1, open.ignored().unsent - before),
            (theirs.split(',').count(), lost as u64)
        );
    }
}

#[test]
fn a_value_that_is_too_long_by_itself_takes_no_other_with_it() {
    let open = fleet().forward_unknown_baggage(true);
    let sent = open.extract(&headers(&[("baggage", "theirs=1,tenant=old;ttl=5")])).sync_scope(|| {
        TENANT.set("x".repeat(9000));
        sent(&open).remove("baggage")
    });
    assert_eq!((sent.as_deref(), open.ignored().unsent), (Some("theirs=1"), 1));
}

// ===== types of the service's own =====

/// A codec with a bug: it panics at what strangers may send.
#[derive(Debug, Clone, PartialEq)]
struct Cut(String);

impl FromStr for Cut {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(Cut(text[3..].to_owned()))
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TENANT.set("set while written".into());
        assert_ne!(self.0, "unwritable");
        write!(f, "cut{}", self.0)
    }
}

static CUT: Propagated<Cut> = Propagated::baggage("cut").local(Local::new());

#[test]
fn a_codec_that_panics_at_what_came_leaves_the_key_unbound_and_is_counted() {
    let fleet = fleet().key(&CUT);
    let incoming = fleet.extract(&headers(&[("baggage", "cut=a,tenant=acme")]));
    incoming.sync_scope(|| assert_eq!((CUT.get(), TENANT.get().as_deref()), (None, Some("acme"))));
    assert_eq!(fleet.ignored().value, 1);
    fleet.extract(&headers(&[("baggage", "cut=cut7")])).sync_scope(|| assert_eq!(CUT.get(), Some(Cut("7".into()))));
}

#[test]
fn a_value_that_sets_locals_while_it_is_written_is_written() {
    let fleet = Propagation::new().key(&CUT).baggage_to(["*.internal"]);
    Bindings::new().with(&CUT, Cut("7".into())).sync_scope(|| {
        assert_eq!(sent(&fleet)["baggage"], "cut=cut7");
        assert_eq!(TENANT.get().as_deref(), Some("set while written"));
    });
}

#[test]
fn a_value_that_panics_while_it_is_written_panics_in_the_call_and_leaves_everything_usable() {
    let fleet = Propagation::new().key(&CUT).baggage_to(["*.internal"]);
    CUT.sync_scope(Cut("unwritable".into()), || {
        assert!(catch_unwind(AssertUnwindSafe(|| sent(&fleet))).is_err());
        CUT.sync_scope(Cut("7".into()), || assert_eq!(sent(&fleet)["baggage"], "cut=cut7"));
    });
}

// ===== names =====

#[test]
fn a_key_takes_no_header_that_http_itself_is_made_of() {
    static LENGTH: Propagated<String> = Propagated::header("content-length");
    static CODING: Propagated<String> = Propagated::header("transfer-encoding");
    static HOST: Propagated<String> = Propagated::header("host");
    static CONNECTION: Propagated<String> = Propagated::header("connection");
    static KIND: Propagated<String> = Propagated::header("content-type");
    for key in [&LENGTH, &CODING, &HOST, &CONNECTION, &KIND] {
        let error = Propagation::new().try_key(key).unwrap_err();
        assert!(error.to_string().contains("HTTP"), "{error}");
    }
}

#[test]
fn the_deadline_header_is_nobody_elses_in_whatever_order_they_are_named() {
    static MINE: Propagated<String> = Propagated::header("x-mine");
    let name = HeaderName::from_static("x-mine");
    assert!(Propagation::new().deadline_header(name.clone()).try_key(&MINE).is_err());
    for taken in ["x-mine", "baggage", "traceparent", "grpc-timeout", "x-request-deadline-unix-ms", "content-length"] {
        let fleet = Propagation::new().key(&MINE);
        let named = catch_unwind(AssertUnwindSafe(|| fleet.deadline_header(HeaderName::from_static(taken))));
        assert!(named.is_err(), "{taken}");
    }
}

#[test]
fn hosts_are_listed_as_they_are_written_elsewhere() {
    for listed in
        ["stock.internal", "Stock.Internal", "stock.internal.", "stock.internal:8080", "*.internal", "*.Internal."]
    {
        let fleet = Propagation::new().key(&TENANT).baggage_to([listed]);
        TENANT.sync_scope("acme".into(), || assert!(sent(&fleet).contains_key("baggage"), "{listed}"));
    }
    let fleet = Propagation::new().key(&TENANT).baggage_to(["[::1]:8080"]);
    TENANT.sync_scope("acme".into(), || {
        let mut headers = Headers::new();
        fleet.inject(&mut headers, &Destination::host("[::1]")).unwrap();
        assert!(headers.contains_key("baggage"));
    });
}

// ===== strangers =====

const STRANGE: [(&str, &str); 8] = [
    ("x-request-id", "forged"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "forged=1"),
    ("baggage", "tenant=forged,forged=1;forged"),
    ("x-region", "forged"),
    ("x-request-timeout-ms", "1000"),
    ("grpc-timeout", "1S"),
    ("x-request-deadline-unix-ms", "1"),
];

#[test]
fn nothing_a_stranger_says_goes_on_even_if_a_proxy_copies_all_it_got() {
    let open = fleet().forward_unknown_baggage(true);
    let strange = headers(&STRANGE);
    let mut copied = strange.clone();
    open.extract_untrusted(&strange).sync_scope(|| {
        assert_eq!((TENANT.get(), REGION.get()), (None, None));
        open.inject(&mut copied, &ours()).unwrap();
    });
    let leaked: Vec<_> =
        copied.iter().filter(|(_, value)| value.contains("forged") || value.contains("0af765")).collect();
    assert!(leaked.is_empty(), "{leaked:?}");
}

#[test]
fn a_stranger_has_as_much_time_as_the_service_gives_and_no_more() {
    let limited = fleet().max_timeout(Duration::from_secs(2));
    for header in ["x-request-timeout-ms", "grpc-timeout"] {
        for huge in ["99999999", "99999999H", "99999999999999999999999"] {
            let timeout = limited.extract_untrusted(&headers(&[(header, huge)])).timeout();
            assert!(timeout.is_none_or(|timeout| timeout <= Duration::from_secs(2)), "{header}: {huge}");
        }
    }
    let both = limited.extract_untrusted(&headers(&[("x-request-timeout-ms", "1500"), ("grpc-timeout", "1S")]));
    assert_eq!(both.timeout(), Some(Duration::from_secs(1)));
}

// ===== neighbours =====

#[test]
fn the_longest_states_and_baggage_a_neighbour_may_send_go_on_within_limits() {
    let open = fleet().forward_unknown_baggage(true);
    let state = (0..32).map(|n| format!("{n}{}={}", "k".repeat(250), "v".repeat(256))).collect::<Vec<_>>().join(",");
    let baggage = (0..64).map(|n| format!("{n}={}", "é".repeat(60))).collect::<Vec<_>>().join(",");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for state in [state.clone(), state.replace(',', " ,\t"), format!("{state},"), "a=1,".repeat(9000)] {
        let came = headers(&[("traceparent", trace), ("tracestate", &state), ("baggage", &baggage)]);
        open.extract(&came).sync_scope(|| {
            let sent = sent(&open);
            assert_eq!(&sent["traceparent"][3..35], &trace[3..35]);
            assert!(sent.values().all(|value| value.len() <= 8192));
            if let Some(state) = sent.get("tracestate") {
                let members = TraceState::parse([state]).unwrap();
                assert!(
                    members.len() <= 32 && members.iter().all(|(_, value)| [1, 256].contains(&value.len())),
                    "{state}"
                );
            }
        });
    }
}

#[test]
fn hostile_headers_cost_a_bounded_part_of_them() {
    let came = HeaderMap::from_iter(
        ["traceparent", "tracestate", "baggage", "x-request-id", "x-region", "x-request-timeout-ms", "grpc-timeout"]
            .map(|name| (HeaderName::from_static(name), "a=1,".repeat(500_000).parse().unwrap())),
    );
    let fleet = fleet().forward_unknown_baggage(true);
    let bytes = allocation_counter::measure(|| drop(fleet.extract(&came))).bytes_max;
    assert!(bytes < 64 * 1024, "{bytes}");
}

// ===== messages =====

#[test]
fn the_time_of_a_request_runs_from_its_arrival_and_not_from_when_it_is_worked_on() {
    let arrived = Instant::now();
    let incoming = fleet().extract(&headers(&[("x-request-timeout-ms", "5")]));
    while arrived.elapsed() < Duration::from_millis(20) {
        std::thread::yield_now();
    }
    incoming.sync_scope(|| assert!(matches!(routines_cancel::check(), Err(Cause::DeadlineExceeded))));
}

#[tokio::test]
async fn what_came_may_be_opened_twice_with_one_cancelled_and_the_other_not() {
    let incoming = fleet().extract(&headers(&[("x-request-id", "req-7"), ("baggage", "tenant=acme")]));
    let first = incoming.scope(async {
        assert_eq!(REQUEST_ID.get().unwrap().as_str(), "req-7");
        TENANT.set("changed".into());
        routines_cancel::Token::current().unwrap().cancel();
        routines_cancel::is_cancelled()
    });
    assert!(first.await);
    let second = incoming.scope(async { (TENANT.get(), routines_cancel::is_cancelled()) });
    assert_eq!(second.await, (Some("acme".to_owned()), false));
    assert_eq!((REQUEST_ID.get(), TENANT.get()), (None, None));
}

#[tokio::test]
async fn a_loop_of_messages_mixes_none_of_them_up_and_stays_one_routine() {
    let me = routines::id();
    let fleet = fleet().forward_unknown_baggage(true);
    for n in 0..500 {
        let mut message = headers(&[("x-request-id", &format!("m{n}"))]);
        if n % 2 == 0 {
            message.insert("baggage".into(), format!("tenant=t{n},other=o{n}"));
            message.insert("x-request-deadline-unix-ms".into(), "99999999999999".into());
        }
        let tenant = (n % 2 == 0).then(|| format!("t{n}"));
        let work = fleet.extract_message(&message).scope(async {
            assert_eq!(routines::id(), me);
            assert_eq!(REQUEST_ID.get().unwrap().as_str(), format!("m{n}"));
            assert_eq!((TENANT.get(), routines_cancel::deadline().is_some()), (tenant.clone(), n % 2 == 0));
            tokio::task::yield_now().await;
            assert_eq!(sent(&fleet).contains_key("baggage"), n % 2 == 0);
            TENANT.set("left behind".into());
            REGION.set("left behind".into());
            routines_cancel::Token::current().unwrap().cancel();
        });
        work.await;
        assert_eq!((REQUEST_ID.get(), TENANT.get(), REGION.get(), TRACE.get().is_none()), (None, None, None, true));
        assert!(!routines_cancel::is_cancelled());
    }
}

#[test]
fn a_carrier_that_is_full_loses_what_does_not_fit_and_nothing_else() {
    let mut full = HeaderMap::new();
    for n in 0..32_768 {
        if full
            .try_insert(
                HeaderName::from_bytes(format!("h{n}").as_bytes()).unwrap(),
                http::HeaderValue::from_static("1"),
            )
            .is_err()
        {
            break;
        }
    }
    let before = full.len();
    TENANT.sync_scope("acme".into(), || {
        with_timeout(Duration::from_secs(9)).sync_scope(|| fleet().inject(&mut full, &ours()).unwrap());
    });
    assert!(full.len() >= before);
    Inject::remove(&mut full, &HeaderName::from_static("h1"));
    assert_eq!(full.get("h1"), None);
}
