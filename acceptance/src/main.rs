//! Owns the program: one request through services in Rust, Python and Node, with ids, baggage, deadlines and cancellation compared.

mod bad_headers;
mod check;
mod codec;
mod driver;
mod fleet;
mod grpc;
mod hop;
mod install;
mod protocol;
mod route;
mod table;

use std::process::ExitCode;

use anyhow::Result;

use crate::fleet::Fleet;
use crate::table::Outcome;

fn main() -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match std::env::args().nth(1).as_deref() {
        Some("hop") => runtime.block_on(hop::serve()).map(|()| ExitCode::SUCCESS),
        _ => runtime.block_on(accept()),
    }
}

/// Installs the peers, starts the hops, sends the requests, prints the table.
async fn accept() -> Result<ExitCode> {
    let (python, node) = (install::python()?, install::node()?);
    for missing in [&python, &node].into_iter().filter_map(|peer| peer.as_ref().err()) {
        println!("SKIPPED a language: {missing}");
    }
    let mut fleet = Fleet::start(&python, &node).await?;
    let mut rows = driver::run(&mut fleet).await?;
    let requests_held = table::print(&driver::HEADS, &rows);
    for fault in check::FAULTS {
        println!("known fault of {}: {}", fault.peer, fault.what);
    }
    println!();
    let headers = bad_headers::run(&fleet, &python, &node).await?;
    let headers_held = table::print(&bad_headers::HEADS, &headers);
    rows.extend(headers);
    let count = |wanted: fn(&Outcome) -> bool| rows.iter().filter(|row| wanted(&row.outcome)).count();
    let broken = count(|outcome| matches!(outcome, Outcome::Broken(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    println!("{} passed, {broken} failed, {skipped} skipped", rows.len() - broken - skipped);
    Ok(if requests_held && headers_held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
