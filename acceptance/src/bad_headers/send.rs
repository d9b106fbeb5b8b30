//! Owns the ways in which a bad header is sent: over sockets where a request can have it, as a message's header where none can.

use std::io::Write;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::outcome::{self, Outcome};
use super::rows::{PARENT, Row};
use super::{Read, Who};
use crate::fleet::Fleet;
use crate::hop::{self, Echo};
use crate::install::Installed;
use crate::protocol::{Protocol, Record};

/// Has the official propagators of a language read all headers; `None` if the language is missing.
pub(crate) fn propagator(peer: &Installed, program: &str, rows: &[Row]) -> Result<Option<Vec<Outcome>>> {
    let Ok(peer) = peer else { return Ok(None) };
    let latin = |bytes: &Vec<u8>| bytes.iter().copied().map(char::from).collect::<String>();
    let row = |row: &Row| {
        let with = if row.header == "tracestate" { json!({ "traceparent": PARENT }) } else { json!({}) };
        json!({ "header": row.header, "values": row.values.iter().map(latin).collect::<Vec<_>>(), "with": with })
    };
    let rows = serde_json::to_vec(&rows.iter().map(row).collect::<Vec<_>>())?;
    let mut child = peer.program(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("no standard input")?.write_all(&rows)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{}", output.status);
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}

/// What our server makes of it, and how many headers it counts as ignored.
pub(crate) async fn ours(fleet: &Fleet, row: &Row) -> Result<Read> {
    let expected = row.expected(Who::Ours);
    let can_be_sent = row.values.iter().flatten().all(|byte| *byte == b'\t' || *byte >= b' ' && *byte != 0x7f);
    if !can_be_sent {
        let answer = hop::echo_message(&headers(row));
        return Ok(Read { ours: outcome::ours(row.header, &answer.sent), counted: answer.ignored, ..Read::default() });
    }
    let before = echo(fleet, &[]).await?.ignored;
    let ours = match row.header {
        "grpc-timeout" => grpc(fleet, "rust-a", row, expected).await?.context("rust-a is not running")?,
        "x-request-timeout-ms" => outcome::time(echo(fleet, &headers(row)).await?.remaining_ms, expected),
        header => outcome::ours(header, &echo(fleet, &headers(row)).await?.sent),
    };
    Ok(Read { ours, counted: echo(fleet, &[]).await?.ignored - before, ..Read::default() })
}

fn headers(row: &Row) -> Vec<(String, Vec<u8>)> {
    let lines = row.values.iter().map(|value| (row.header.to_owned(), value.clone()));
    let parent = (row.header == "tracestate").then(|| ("traceparent".to_owned(), PARENT.into()));
    lines.chain(parent).collect()
}

/// A request over a plain socket: no client refuses to send the header. It is answered whatever it has in it.
async fn echo(fleet: &Fleet, headers: &[(String, Vec<u8>)]) -> Result<Echo> {
    let addr = fleet.next("rust-a", Protocol::Http).context("rust-a is not running")?.addr;
    let mut request = b"POST /echo HTTP/1.1\r\nhost: rust-a\r\nconnection: close\r\ncontent-length: 0\r\n".to_vec();
    for (name, value) in headers {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    let mut socket = TcpStream::connect(addr).await?;
    socket.write_all(&request).await?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await?;
    let answer = String::from_utf8(answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "answered {answer:?}");
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(serde_json::from_str(body)?)
}

/// gRPC's length before each message, and its status for calls that took too long.
const PREFIX: usize = 5;
const DEADLINE_EXCEEDED: &str = "4";

/// A gRPC call by hand, of which a hop tells the time it has; `None` if the hop is not running.
pub(crate) async fn grpc(fleet: &Fleet, hop: &str, row: &Row, expected: &str) -> Result<Option<String>> {
    let Some(to) = fleet.next(hop, Protocol::Grpc) else { return Ok(None) };
    let work = serde_json::to_vec(&json!({ "route": [], "act": "answer" }))?;
    let message = [&[0][..], &u32::try_from(work.len())?.to_be_bytes(), &work].concat();
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build()?;
    let mut request = client.post(format!("http://{}/hop.Hop/Go", to.addr));
    request = request.header("content-type", "application/grpc").header("te", "trailers");
    for value in &row.values {
        request = request.header(row.header, &value[..]);
    }
    let answer = request.body(message).send().await?;
    let status = answer.headers().get("grpc-status").and_then(|status| status.to_str().ok()).map(str::to_owned);
    let message = answer.bytes().await?;
    match status.as_deref() {
        Some(DEADLINE_EXCEEDED) => return Ok(Some(outcome::OVER.into())),
        Some(status) if message.is_empty() => return Ok(Some(format!("status {status}"))),
        _ => ensure!(message.len() > PREFIX, "neither a message nor a status"),
    }
    let records: Vec<Record> = serde_json::from_slice(&message[PREFIX..])?;
    Ok(records.first().map(|record| outcome::time(record.remaining_ms, expected)))
}
