//! Owns the Rust hop: axum and tonic, with nothing passed from what is received to what is sent but the routine's own context.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use routines_cancel::{Cause, Stop, after_cancel, deadline, remaining, until_cancelled, with_timeout};
use routines_http::{Destination, Propagated, Propagation, REQUEST_ID, RequestId, ServerLayer, TRACE};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::grpc;
use crate::protocol::{Act, Event, Ports, Protocol, Reason, Record, Start, Values, Work};

static EMOJI: Propagated<String> = Propagated::baggage("emoji");
static EQUALS: Propagated<String> = Propagated::baggage("equals");
static PERCENT: Propagated<String> = Propagated::baggage("percent");
static PLUS: Propagated<String> = Propagated::baggage("plus");
static COMMAS: Propagated<String> = Propagated::baggage("commas");
static BASE64: Propagated<String> = Propagated::baggage("base64");
static QUOTES: Propagated<String> = Propagated::baggage("quotes");
static SPACES: Propagated<String> = Propagated::baggage("spaces");

const KEYS: [(&str, &Propagated<String>); 8] = [
    ("emoji", &EMOJI),
    ("equals", &EQUALS),
    ("percent", &PERCENT),
    ("plus", &PLUS),
    ("commas", &COMMAS),
    ("base64", &BASE64),
    ("quotes", &QUOTES),
    ("spaces", &SPACES),
];

/// How much may be left of a deadline when a caller's leaving is taken for its passing: the caller's own time is up a moment earlier.
const DEADLINE_SLACK: Duration = Duration::from_millis(100);

/// What leaves and enters this process.
pub(crate) static PROPAGATION: LazyLock<Propagation> = LazyLock::new(|| {
    let plain = Propagation::new().baggage_to(["127.0.0.1"]).forward_unknown_baggage(true);
    KEYS.iter().fold(plain, |propagation, (_, key)| propagation.key(key))
});

static CLIENT: LazyLock<reqwest_middleware::ClientWithMiddleware> = LazyLock::new(|| {
    let plain = reqwest::Client::builder().no_proxy().build().expect("no option of it can be wrong");
    reqwest_middleware::ClientBuilder::new(plain)
        .with(routines_reqwest::PropagationMiddleware::new(&PROPAGATION))
        .build()
});

/// Serves both protocols on ports of its own, until the driver is gone.
pub(crate) async fn serve() -> Result<()> {
    std::thread::spawn(exit_with_the_driver);
    let (http, grpc) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let ports = Ports { http: http.local_addr()?.port(), grpc: grpc.local_addr()?.port() };
    println!("{}", serde_json::to_string(&ports)?);
    let routes = axum::Router::new().route("/hop", post(hop)).route("/start", post(start)).route("/echo", post(echo));
    let web = axum::serve(http, routes.layer(ServerLayer::new(&PROPAGATION)));
    tokio::try_join!(async { web.await.map_err(anyhow::Error::from) }, grpc::serve(grpc))?;
    Ok(())
}

fn exit_with_the_driver() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::exit(0);
}

async fn hop(headers: HeaderMap, Json(work): Json<Work>) -> Response {
    answer(handle(Received::new(Protocol::Http, &headers), work).await)
}

/// Starts a request of its own, by binding what it is to carry.
async fn start(Json(start): Json<Start>) -> Response {
    let limited = with_timeout(Duration::from_millis(start.timeout_ms));
    let records = limited.scope(async {
        REQUEST_ID.set(RequestId::parse(&start.request_id)?);
        for (name, value) in start.baggage {
            let (_, key) = KEYS.iter().find(|(key, _)| *key == name).context(name)?;
            key.set(value);
        }
        handle(Received::new(Protocol::Origin, &HeaderMap::new()), start.work).await
    });
    answer(records.await)
}

/// What a request would send on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Echo {
    pub(crate) sent: BTreeMap<String, String>,
    pub(crate) remaining_ms: Option<f64>,
    /// How many headers were ignored since the process began.
    pub(crate) ignored: u64,
}

async fn echo() -> Json<Echo> {
    Json(what_goes_on())
}

/// As `POST /echo`, for headers that no request can have.
pub(crate) fn echo_message(headers: &[(String, Vec<u8>)]) -> Echo {
    let before = PROPAGATION.ignored().total();
    let echo = PROPAGATION.extract(headers).sync_scope(what_goes_on);
    Echo { ignored: echo.ignored - before, ..echo }
}

fn what_goes_on() -> Echo {
    let mut sent = BTreeMap::new();
    // Refused when the time is over: then nothing is sent.
    let _ = PROPAGATION.inject(&mut sent, &Destination::host("127.0.0.1"));
    let remaining_ms = remaining().map(|left| left.as_secs_f64() * 1e3);
    Echo { sent, remaining_ms, ignored: PROPAGATION.ignored().total() }
}

fn answer(records: Result<Vec<Record>>) -> Response {
    match records {
        Ok(records) => Json(records).into_response(),
        Err(error) => (StatusCode::GATEWAY_TIMEOUT, format!("{error:#}")).into_response(),
    }
}

/// What only the headers tell; all else is read from the context.
pub(crate) struct Received {
    protocol: Protocol,
    parent_span_id: Option<String>,
    wire_timeout: Option<String>,
}

impl Received {
    pub(crate) fn new(protocol: Protocol, headers: &HeaderMap) -> Received {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let timeout = if protocol == Protocol::Grpc { "grpc-timeout" } else { "x-request-timeout-ms" };
        Received {
            protocol,
            parent_span_id: text("traceparent").and_then(|parent| parent.split('-').nth(2)).map(str::to_owned),
            wire_timeout: text(timeout).map(str::to_owned),
        }
    }

    fn record(self) -> Record {
        Record {
            hop: "rust".into(),
            protocol: self.protocol,
            trace_id: TRACE.with(|trace| trace.trace_id.to_string()).unwrap_or_default(),
            span_id: TRACE.with(|trace| trace.span_id.to_string()).unwrap_or_default(),
            parent_span_id: self.parent_span_id,
            request_id: request_id(),
            baggage: KEYS.iter().filter_map(|(name, key)| Some(((*name).into(), key.get()?))).collect::<Values>(),
            remaining_ms: remaining().map(|left| left.as_secs_f64() * 1e3),
            wire_timeout: self.wire_timeout,
        }
    }
}

fn request_id() -> Option<String> {
    REQUEST_ID.with(ToString::to_string)
}

fn say(event: &Event) {
    println!("{}", serde_json::to_string(event).expect("an event is plain data"));
}

/// The records of this hop and of all behind it; tells when the request is cancelled.
pub(crate) async fn handle(received: Received, work: Work) -> Result<Vec<Record>> {
    let record = received.record();
    let _told = tell_when_cancelled();
    say(&Event::Arrived { hop: "rust".into(), request_id: request_id() });
    let behind = until_cancelled(act(work)).await??;
    Ok([vec![record], behind].concat())
}

fn tell_when_cancelled() -> Stop {
    let (started, end) = (Instant::now(), deadline());
    after_cancel(move |cause| {
        let late = end.is_some_and(|end| end.saturating_duration_since(Instant::now()) <= DEADLINE_SLACK);
        let cause = match cause {
            Cause::DeadlineExceeded => Reason::Deadline,
            Cause::Disconnected if late => Reason::Deadline,
            Cause::Disconnected => Reason::Disconnected,
            _ => Reason::Other,
        };
        let after_ms = started.elapsed().as_secs_f64() * 1e3;
        say(&Event::Cancelled { hop: "rust".into(), request_id: request_id(), cause, after_ms });
    })
}

async fn act(work: Work) -> Result<Vec<Record>> {
    tokio::time::sleep(Duration::from_millis(work.work_ms)).await;
    match work.split() {
        Ok((next, work)) if next.protocol == Protocol::Grpc => grpc::send(&next.addr, &work).await,
        Ok((next, work)) => send(&next.addr, &work).await,
        Err(last) if last.act == Act::Hang => std::future::pending().await,
        Err(_) => Ok(Vec::new()),
    }
}

async fn send(addr: &str, work: &Work) -> Result<Vec<Record>> {
    let answer = CLIENT.post(format!("http://{addr}/hop")).json(work).send().await?;
    let bytes: Bytes = answer.error_for_status()?.bytes().await?;
    Ok(serde_json::from_slice(&bytes)?)
}
