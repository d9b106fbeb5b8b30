//! Owns the command `fleet`: several services as processes of their own, one request's context through all of them.

mod broker;
mod check;
mod children;
mod context;
mod demo;
#[expect(clippy::module_inception, reason = "the fleet is what the command is about")]
mod fleet;
mod front;
mod inventory;
mod kind;
mod line;
mod load;
pub(crate) mod part;
mod pipe;
mod rpc;
mod stories;
mod table;
mod wire;
mod worker;

use std::error::Error;
use std::time::Duration;

use clap::Args;

/// What to do with the fleet.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many requests to make
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=5_000))]
    requests: u64,

    /// Show every request, not the first few of each kind
    #[arg(long)]
    all: bool,

    /// Serve and call without the layers, to see the check fail
    #[arg(long)]
    bare: bool,

    /// Put it under load: clients that leave at random moments, what is left of them, and what the layers cost
    #[arg(long, conflicts_with_all = ["requests", "all", "bare"])]
    load: bool,

    /// How many seconds the load lasts
    #[arg(long, value_name = "N", default_value_t = 60, requires = "load", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,

    /// How many clients at once
    #[arg(long, value_name = "N", default_value_t = 200, requires = "load", value_parser = clap::value_parser!(u64).range(1..=400))]
    clients: u64,

    /// What the clients' random choices begin with
    #[arg(long, value_name = "N", default_value_t = 1, requires = "load")]
    seed: u64,
}

/// Runs a fleet; whether all is well.
pub(crate) fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    if !broker::is_installed() {
        table::say_what_is_missing();
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        tokio::select! {
            done = run_fleet(options) => done,
            () = crate::serve::interrupted() => Err("interrupted".into()),
        }
    })
}

async fn run_fleet(options: &Options) -> Result<bool, Box<dyn Error>> {
    if options.load {
        let Options { clients, seconds, seed, .. } = *options;
        return load::run(load::Plan { clients, time: Duration::from_secs(seconds), seed }).await;
    }
    let findings = demo::run(options.requests, if options.bare { &["--bare"] } else { &[] }).await?;
    Ok(table::print(&findings, options.all))
}
