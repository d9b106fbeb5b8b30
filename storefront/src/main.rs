//! Owns the command line: what can be asked for, and the exit status.
//!
//! 0: all is well; 1: a line was wrong, or something else was not as it must be; 2: what was asked for could not be done.

mod check;
mod client;
mod cost;
mod fleet;
mod inspect;
mod load;
mod logs;
mod mode;
mod progress;
mod report;
mod run;
mod serve;
mod service;
mod tree;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs a real HTTP service under load and checks that every line it logs has the id of the right request.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,

    /// How many requests to make
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    requests: u64,

    // Each takes two descriptors, and many systems give a process 1024.
    /// How many of them at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=400))]
    concurrency: u64,

    /// Spawn tasks by tokio's own function, which inherits nothing, to see the check fail
    #[arg(long)]
    forget_spawn: bool,

    /// Carry context by tokio's runtime hooks alone, with no wrapper anywhere; needs a build with RUSTFLAGS="--cfg tokio_unstable"
    #[arg(long, conflicts_with = "forget_spawn")]
    hooks: bool,

    /// Serve until Ctrl-C, for use with curl; a port alone means 127.0.0.1
    #[arg(long, value_name = "ADDR", value_parser = address, conflicts_with_all = ["requests", "concurrency", "forget_spawn", "hooks"])]
    serve: Option<SocketAddr>,

    /// Serve the live page until Ctrl-C, beside a shop under load or the one of `--serve`; without ADDR on any port of 127.0.0.1
    #[arg(
        long,
        value_name = "ADDR",
        value_parser = address,
        num_args = 0..=1,
        default_missing_value = "0",
        conflicts_with_all = ["requests", "forget_spawn", "hooks"]
    )]
    inspect: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs several services as processes of their own, and follows requests through all of them
    Fleet(fleet::Options),
    /// Measures what being looked at costs: the live page, timed polls, profiles
    Cost(cost::Options),
    #[command(hide = true)]
    CostPart(cost::Part),
    #[command(hide = true)]
    FleetPart(fleet::part::Options),
}

fn main() -> ExitCode {
    let options = Options::parse();
    routines_tokio::install();
    let done = match (&options.command, options.serve, options.inspect) {
        (Some(Command::Fleet(fleet)), ..) => fleet::run(fleet),
        (Some(Command::Cost(cost)), ..) => cost::run(cost).map(|()| true),
        (Some(Command::CostPart(part)), ..) => cost::part(part).map(|()| true),
        (Some(Command::FleetPart(part)), ..) => fleet::part::run(part).map(|()| true),
        (None, Some(address), page) => serve::serve(address, page).map(|()| true),
        (None, None, Some(page)) => inspect::run(page, options.concurrency).map(|()| true),
        (None, None, None) => run::run(&run::Plan {
            requests: options.requests,
            concurrency: options.concurrency,
            mode: match (options.forget_spawn, options.hooks) {
                (true, _) => mode::Mode::Forgetful,
                (_, true) => mode::Mode::Hooks,
                _ => mode::Mode::On,
            },
        })
        .and_then(|findings| report::print(&findings)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            anstream::eprintln!("{}error:{} {error}", report::BAD, report::BAD.render_reset());
            ExitCode::from(2)
        }
    }
}

/// Only who names another address is reachable from other machines.
fn address(text: &str) -> Result<SocketAddr, String> {
    let full = match (text.parse::<u16>(), text.strip_prefix("localhost:")) {
        (Ok(port), _) => format!("127.0.0.1:{port}"),
        (_, Some(port)) => format!("127.0.0.1:{port}"),
        _ => text.to_owned(),
    };
    full.parse().map_err(|_| "expected a port, as 8080, or an address with a port, as 127.0.0.1:8080".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_loopback() {
        for text in ["8080", "localhost:8080", "127.0.0.1:8080"] {
            assert_eq!(address(text), Ok(SocketAddr::from(([127, 0, 0, 1], 8080))));
        }
        assert_eq!(address("0.0.0.0:80"), Ok(SocketAddr::from(([0, 0, 0, 0], 80))));
        assert!(address("80.80").is_err() && address("").is_err() && address("host:").is_err());
    }
}
