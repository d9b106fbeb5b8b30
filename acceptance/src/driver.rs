//! Owns the requests that are sent through the hops, and the table of what came of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::check;
use crate::fleet::Fleet;
use crate::protocol::{Act, Event, Next, Protocol, Reason, Record, Start, Work};
use crate::route::Route;
use crate::table::{Outcome, Row};

/// Each language as origin, and both ways round.
const ROUTES: [&str; 10] = [
    "rust-a python/http rust-b/grpc node/http",
    "rust-a node/grpc rust-b/http python/grpc",
    "rust-a rust-b/http python/grpc node/grpc",
    "rust-a rust-b/grpc node/http python/http",
    "python rust-a/http node/grpc rust-b/http",
    "python rust-a/grpc node/http rust-b/grpc",
    "python node/grpc rust-a/http rust-b/grpc",
    "node rust-a/http python/grpc rust-b/http",
    "node rust-a/grpc python/http rust-b/grpc",
    "node python/grpc rust-a/grpc rust-b/http",
];
pub(crate) const HEADS: [&str; 5] =
    ["request", "route (> HTTP, => gRPC)", "ms left at each hop", "told after ms", "result"];
const TIMEOUT_MS: u64 = 5_000;
const SHORT_TIMEOUT_MS: u64 = 400;
/// More than what Python's grpc rounds up a timeout by.
const WORK_MS: u64 = 15;
/// No promise of speed: what hangs is not told at all.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// Sends every request, one after the other.
pub(crate) async fn run(fleet: &mut Fleet) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for text in ROUTES {
        let route = Route::parse(text)?;
        let mut asked = Asked { fleet, route };
        for kind in [Kind::Answer, Kind::Close, Kind::Deadline] {
            rows.push(asked.row(kind, format!("req-{}", rows.len() + 1)).await);
        }
    }
    rows.push(reused_timeout(fleet).await);
    Ok(rows)
}

#[derive(Clone, Copy)]
enum Kind {
    Answer,
    Close,
    Deadline,
}

/// A route that requests are sent on.
struct Asked<'a> {
    fleet: &'a mut Fleet,
    route: Route,
}

#[derive(Default)]
struct Seen {
    left: String,
    told: String,
}

impl Asked<'_> {
    async fn row(&mut self, kind: Kind, request_id: String) -> Row {
        let name = match kind {
            Kind::Answer => "answered",
            Kind::Close => "client leaves",
            Kind::Deadline => "time is up",
        };
        let mut seen = Seen::default();
        let outcome = match self.route.addresses(self.fleet) {
            Err(missing) => Outcome::Skipped(format!("no {missing}")),
            Ok(to) => match self.send(kind, &request_id, to, &mut seen).await {
                Ok(()) => Outcome::Held,
                Err(error) => Outcome::Broken(format!("{error:#}")),
            },
        };
        Row { cells: vec![format!("{request_id} {name}"), self.route.to_string(), seen.left, seen.told], outcome }
    }

    async fn send(&mut self, kind: Kind, request_id: &str, to: (Next, Vec<Next>), seen: &mut Seen) -> Result<()> {
        match kind {
            Kind::Answer => self.answered(request_id, to, seen).await,
            Kind::Close => self.left(request_id, to, seen).await,
            Kind::Deadline => self.late(request_id, to, seen).await,
        }
    }

    async fn answered(&mut self, request_id: &str, (origin, route): (Next, Vec<Next>), seen: &mut Seen) -> Result<()> {
        let start = start(request_id, route, Act::Answer, TIMEOUT_MS);
        let records = ask(&origin.addr, &start).await?;
        seen.left = records.iter().map(left).collect::<Vec<_>>().join(" ");
        check::records(&self.route, request_id, &start.baggage, &records)
    }

    /// The client closes its socket once the last hop has the request: all hops are told, the last one last.
    async fn left(&mut self, request_id: &str, (origin, route): (Next, Vec<Next>), seen: &mut Seen) -> Result<()> {
        let socket = post(&origin.addr, &start(request_id, route, Act::Hang, TIMEOUT_MS)).await?;
        self.arrived(request_id).await?;
        let closed = Instant::now();
        drop(socket);
        let every = self.route.hops.len();
        let told = self.cancelled(request_id, closed, Reason::Disconnected, every).await?;
        seen.told = format!("{:.1}", told.as_secs_f64() * 1e3);
        Ok(())
    }

    /// Nobody closes anything: the last hop is told when there is nothing left of the time it was given.
    async fn late(&mut self, request_id: &str, (origin, route): (Next, Vec<Next>), seen: &mut Seen) -> Result<()> {
        let sent = Instant::now();
        let mut socket = post(&origin.addr, &start(request_id, route, Act::Hang, SHORT_TIMEOUT_MS)).await?;
        // Those before it may have the last hop's error before their own time is up, and so be done.
        let told = self.cancelled(request_id, sent, Reason::Deadline, 1).await?;
        seen.told = format!("{:.1}", told.as_secs_f64() * 1e3);
        // The origin answers with an error of its own.
        let mut answer = Vec::new();
        tokio::time::timeout(TOLD_WITHIN, socket.read_to_end(&mut answer))
            .await
            .context("the origin does not answer")??;
        ensure!(answer.starts_with(b"HTTP/1.1 5"), "answered {:?}", String::from_utf8_lossy(&answer));
        Ok(())
    }

    async fn arrived(&mut self, request_id: &str) -> Result<()> {
        let last = self.route.last()?.name.clone();
        let this = |event: &Event| matches!(event, Event::Arrived { request_id: Some(id), .. } if id == request_id);
        self.fleet.told(1, TOLD_WITHIN, |told| (told.hop == last && this(&told.event)).then_some(())).await?;
        Ok(())
    }

    /// Waits until the last so many hops say that they were told; how long after `since` the very last one was.
    async fn cancelled(&mut self, request_id: &str, since: Instant, wanted: Reason, hops: usize) -> Result<Duration> {
        let mut waiting = self.route.hops.iter().rev().map(|hop| hop.name.clone()).take(hops).collect::<Vec<_>>();
        let last = self.route.last()?.name.clone();
        let told = self.fleet.told(hops, TOLD_WITHIN, |told| match told.event {
            Event::Cancelled { request_id: Some(id), cause, .. } if id == request_id => {
                let at = waiting.iter().position(|hop| *hop == told.hop)?;
                Some((waiting.swap_remove(at), cause, told.at))
            }
            _ => None,
        });
        let told = told.await.with_context(|| format!("waiting for {waiting:?} to be told"))?;
        for (hop, cause, _) in &told {
            ensure!(*cause == wanted, "{hop} was told {cause}");
        }
        let (.., at) = told.iter().find(|(hop, ..)| *hop == last).context("the last hop was not told")?;
        Ok(*at - since)
    }
}

fn start(request_id: &str, route: Vec<Next>, act: Act, timeout_ms: u64) -> Start {
    let work = Work { route, act, work_ms: WORK_MS, channel: None };
    Start { request_id: request_id.into(), baggage: check::baggage(), timeout_ms, work }
}

fn left(record: &Record) -> String {
    record.remaining_ms.map_or("-".into(), |left| format!("{left:.0}"))
}

/// What a shared connection of Python's grpc makes of two deadlines that are close: known, and to be noticed when it goes.
async fn reused_timeout(fleet: &Fleet) -> Row {
    let name = "python, one connection";
    let mut row = Row {
        cells: vec![name.into(), "python => rust-a".into(), String::new(), String::new()],
        outcome: Outcome::Held,
    };
    row.outcome = match (fleet.next("python", Protocol::Http), fleet.next("rust-a", Protocol::Grpc)) {
        (Some(python), Some(rust)) => match reuse(&python, rust, &mut row.cells[2]).await {
            Ok(()) => Outcome::Held,
            Err(error) => Outcome::Broken(format!("{error:#}")),
        },
        _ => Outcome::Skipped("no python".into()),
    };
    row
}

async fn reuse(python: &Next, rust: Next, seen: &mut String) -> Result<()> {
    let mut sent = Vec::new();
    for timeout_ms in [90_000, 88_500] {
        let mut start = start("req-reuse", vec![rust.clone()], Act::Answer, timeout_ms);
        start.work.channel = Some("shared".into());
        let records = ask(&python.addr, &start).await?;
        sent.push(records.last().and_then(|record| record.wire_timeout.clone()).unwrap_or_default());
    }
    *seen = format!("88500 sent as {}", sent[1]);
    ensure!(sent[0] == sent[1], "known fault mended: grpc sends {sent:?}, no longer the first for both");
    Ok(())
}

/// Has the origin send a request, and waits for the records.
async fn ask(origin: &str, start: &Start) -> Result<Vec<Record>> {
    let client = reqwest::Client::builder().no_proxy().timeout(TOLD_WITHIN * 2).build()?;
    let answer = client.post(format!("http://{origin}/start")).json(start).send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        bail!("{status}: {text}");
    }
    serde_json::from_str(&text).context(text)
}

/// Has the origin send a request, over a socket of its own that can be closed.
async fn post(origin: &str, start: &Start) -> Result<TcpStream> {
    let body = serde_json::to_string(start)?;
    let head = format!(
        "POST /start HTTP/1.1\r\nhost: {origin}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(origin).await?;
    socket.write_all((head + &body).as_bytes()).await?;
    Ok(socket)
}
