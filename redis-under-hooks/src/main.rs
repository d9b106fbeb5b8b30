//! Owns the demonstration: an unmodified server from the registry runs under hooks, driven by the real `redis-benchmark`.
//!
//! Two servers run in this process, one on a runtime with hooks and one on a runtime without; the benchmark drives them in
//! turns. 0: every connection was seen with its context and nothing was left; 1: not so; 2: it could not run.

mod drive;
mod server;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use routines::{Local, RoutineInfo};

use crate::drive::Benchmark;
use crate::server::Server;

/// Runs mini-redis with and without runtime hooks under redis-benchmark and compares.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// How many requests in each run
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    requests: u64,

    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=200))]
    clients: u64,

    /// How many pairs of runs
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pairs: u64,
}

/// What the code that starts the server is about: the tasks of all its connections inherit it.
pub(crate) static SERVICE: Local<&str> = Local::new().named("service");
/// Each task's own number, made in its parent when it is spawned.
pub(crate) static CONNECTION: Local<u64> = Local::new().named("connection").derive(|_| server::next_connection());

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    if !routines_tokio::Flow::is_supported() {
        return Err("this build has no hooks: build with RUSTFLAGS=\"--cfg tokio_unstable\"".into());
    }
    let benchmark = Benchmark::find(options.requests, options.clients)?;
    let before = routines::ids().len();
    let (hooked, bare) = (Server::start(true)?, Server::start(false)?);

    let watch = std::thread::spawn({
        let (port, clients) = (hooked.port(), options.clients);
        let warm_up = benchmark.clone();
        move || -> Result<Vec<RoutineInfo>, String> {
            let mut run = warm_up.start(port).map_err(|error| error.to_string())?;
            let seen = server::see_connections(clients, || run.is_running());
            run.finish().map_err(|error| error.to_string())?;
            Ok(seen)
        }
    });
    let seen = watch.join().map_err(|_| "the warm-up broke")??;
    let all_seen = report_connections(&seen, options.clients);

    let mut ratios = Vec::new();
    println!("\n{:>6}{:>16}{:>16}{:>9}", "pair", "hooks on, req/s", "off, req/s", "on/off");
    for pair in 0..options.pairs {
        let on_first = pair % 2 == 0;
        let rate = |on: bool| benchmark.run(if on { hooked.port() } else { bare.port() });
        let (first, second) = (rate(on_first)?, rate(!on_first)?);
        let (on, off) = if on_first { (first, second) } else { (second, first) };
        ratios.push(on / off);
        println!("{:>6}{on:>16.0}{off:>16.0}{:>9.3}", pair + 1, on / off);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median{:>41.3}", ratios[ratios.len() / 2]);

    hooked.stop()?;
    bare.stop()?;
    let after = server::routines_after(before);
    println!("routines before {before}, after {after}");
    Ok(all_seen && after <= before)
}

/// Shows the connections that were caught alive; whether all were there, each with the service's name and a number of its own.
fn report_connections(seen: &[RoutineInfo], clients: u64) -> bool {
    println!("connections of an unmodified mini-redis, seen while redis-benchmark ran: {} of {clients}", seen.len());
    for info in seen.iter().take(3) {
        let values: Vec<_> = info.values.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        println!("  routine {} from {}: {}", info.id, info.spawned_at.as_deref().unwrap_or("?"), values.join(", "));
    }
    let numbers: std::collections::HashSet<_> = seen.iter().filter_map(|info| value(info, "connection")).collect();
    let named = seen.iter().all(|info| value(info, "service").is_some_and(|name| name.contains("mini-redis")));
    seen.len() as u64 >= clients && numbers.len() == seen.len() && named
}

fn value(info: &RoutineInfo, name: &str) -> Option<String> {
    info.values.iter().find(|(named, _)| named == name).map(|(_, value)| format!("{value:?}"))
}
