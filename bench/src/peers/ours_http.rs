//! `routines-http`: the formats, a whole request's headers in and out, and the tower layers.

use std::convert::Infallible;
use std::future::Ready;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::Empty;
use routines_http::{
    Baggage, ClientLayer, Destination, Propagated, Propagation, ServerLayer, TraceContext, TraceState,
};
use tower::{Layer, Service, service_fn};

use crate::group::{BARE, Group};
use crate::measure::{Case, timed};
use crate::runtime::in_task;
use crate::targets::OURS;

/// What the specification itself gives as an example.
pub(crate) const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// Two members, as behind two vendors.
const TRACESTATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
/// Five members, one of them with something to decode.
pub(crate) const FIVE: &str = "tenant=acme,plan=enterprise,region=eu-central-1,user=42,city=S%C3%A3o%20Paulo";
/// The three that the service of these cases takes in.
const THREE: &str = "tenant=acme,plan=enterprise,region=eu-central-1";

static TENANT: Propagated<String> = Propagated::baggage("tenant");
static PLAN: Propagated<String> = Propagated::baggage("plan");
static REGION: Propagated<String> = Propagated::baggage("region");

fn fleet() -> Propagation {
    Propagation::new().key(&TENANT).key(&PLAN).key(&REGION).baggage_to(["stock"])
}

/// The headers of a request as a proxy hands it on, with everything that is looked for in it and some that is not.
pub(crate) fn request_headers() -> HeaderMap {
    let pairs = [
        ("host", "stock"),
        ("user-agent", "curl/8.5.0"),
        ("accept", "*/*"),
        ("traceparent", TRACEPARENT),
        ("tracestate", TRACESTATE),
        ("x-request-id", "0af7651916cd43dd8448eb211c80319c"),
        ("baggage", THREE),
        ("x-request-timeout-ms", "3600000"),
    ];
    pairs.into_iter().map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))).collect()
}

/// The same without any of it.
fn plain_headers() -> HeaderMap {
    request_headers().into_iter().filter_map(|(name, value)| Some((name?, value))).take(3).collect()
}

/// Cases of headers, and of layers: after `routines_tokio::install`, and with deadlines, whose first one starts a thread.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    let mut add = |name, batch: fn(u64) -> Duration| {
        cases.push(Case::new(Group::Wire, name, OURS, move |n| in_task(move || batch(n))));
    };
    add("traceparent: parse", |n| timed(n, || TraceContext::parse(black_box(TRACEPARENT))));
    add("traceparent: format", |n| {
        let trace = TraceContext::parse(TRACEPARENT).expect("an example");
        timed(n, || trace.traceparent())
    });
    add("traceparent, tracestate: extract", |n| {
        let headers = request_headers();
        timed(n, || extract_trace(&headers))
    });
    add("5 members of baggage: parse", |n| timed(n, || Baggage::parse([black_box(FIVE)])));
    add("5 members of baggage: format", |n| {
        let baggage = Baggage::parse([FIVE]).expect("well-formed");
        timed(n, || baggage.header())
    });
    add("a whole request: extract", |n| {
        let (fleet, headers) = (fleet(), request_headers());
        timed(n, || fleet.extract(&headers))
    });
    add("a whole request: extract, enter and leave its frame", |n| {
        let (fleet, headers) = (fleet(), request_headers());
        timed(n, || fleet.extract(&headers).sync_scope(|| black_box(())))
    });
    add("a request with nothing of it: extract", |n| {
        let (fleet, headers) = (fleet(), plain_headers());
        timed(n, || fleet.extract(&headers))
    });
    add("a whole request: inject", |n| in_request(|fleet| timed(n, || inject(fleet))));
    layers(cases);
}

fn extract_trace(headers: &HeaderMap) -> Option<TraceContext> {
    let trace = TraceContext::extract(headers).ok()??;
    Some(trace.with_state(TraceState::extract(headers).ok()?))
}

/// Runs `f` where the whole request is current.
fn in_request<R>(f: impl FnOnce(&Propagation) -> R) -> R {
    let fleet = fleet();
    fleet.extract(&request_headers()).sync_scope(|| f(&fleet))
}

fn inject(fleet: &Propagation) -> HeaderMap {
    let mut headers = HeaderMap::new();
    fleet.inject(&mut headers, &Destination::host("stock")).expect("the deadline is far away");
    headers
}

type Asked = Request<Empty<&'static [u8]>>;
type Answered = Response<Empty<&'static [u8]>>;

/// Answers at once, with nothing.
fn answer(request: Asked) -> Ready<Result<Answered, Infallible>> {
    black_box(request);
    std::future::ready(Ok(Response::new(Empty::new())))
}

fn layers(cases: &mut Vec<Case>) {
    let mut add = |name, peer, batch: fn(u64) -> Duration| {
        cases.push(Case::new(Group::Layers, name, peer, move |n| in_task(move || batch(n))));
    };
    let served = "a whole request, served";
    add(served, BARE, |n| calls(n, service_fn(answer), request_headers()));
    add(served, OURS, |n| calls(n, server(), request_headers()));
    let served = "a request with nothing of it, served";
    add(served, BARE, |n| calls(n, service_fn(answer), plain_headers()));
    add(served, OURS, |n| calls(n, server(), plain_headers()));
    let sent = "a whole request, sent on";
    add(sent, BARE, |n| in_request(|_| calls(n, service_fn(answer), plain_headers())));
    add(sent, OURS, |n| in_request(|fleet| calls(n, client(fleet), plain_headers())));
    let sent = "nothing bound, sent";
    add(sent, BARE, |n| calls(n, service_fn(answer), plain_headers()));
    add(sent, OURS, |n| calls(n, client(&fleet()), plain_headers()));
}

fn server() -> impl Service<Asked> {
    ServerLayer::new(&fleet()).layer(service_fn(answer))
}

fn client(fleet: &Propagation) -> impl Service<Asked> + use<> {
    ClientLayer::new(fleet).layer(service_fn(answer))
}

/// Makes a request with these headers, calls, polls until the answer is there, which is at once, and drops it.
fn calls<S: Service<Asked>>(n: u64, mut service: S, headers: HeaderMap) -> Duration {
    let uri = Uri::from_static("http://stock/items/7");
    timed(n, || {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        let mut answer = pin!(service.call(request));
        answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    })
}
