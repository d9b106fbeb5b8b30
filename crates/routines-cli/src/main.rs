//! Owns the command line of `routines`, and what its exit codes mean.
//!
//! 0: done; 1: the process cannot be reached, or refuses; 2: the command line is wrong.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use routines_cli::address::Address;
use routines_cli::client::{Client, Failure};
use routines_cli::{dump, top};

/// Looks at the routines of a running process that serves `routines_inspect::router()`
#[derive(Debug, Parser)]
#[command(name = "routines", version)]
enum Command {
    /// Shows them live: tree and table, sorted and filtered
    Top {
        /// HOST:PORT, PORT of this machine, or a URL
        addr: Address,

        /// Seconds from an answer to the next question
        #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
        interval: Duration,

        /// Words that must all match; `key=value` matches a named value
        #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
        filter: String,
    },
    /// Writes all of them, for scripts
    Dump {
        /// HOST:PORT, PORT of this machine, or a URL
        addr: Address,

        #[command(flatten)]
        options: dump::Options,
    },
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=3_600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "seconds from 0.1 to 3600".to_owned())
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Top { .. } if !io::stdout().is_terminal() || !io::stdin().is_terminal() => {
            anstream::eprintln!("error: `routines top` needs a terminal; `routines dump` is for scripts");
            ExitCode::from(2)
        }
        Command::Top { addr, interval, filter } => done(top::run(addr, filter, interval)),
        Command::Dump { addr, options } => done(write_dump(addr, &options)),
    }
}

fn write_dump(addr: Address, options: &dump::Options) -> Result<(), Failure> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    let dumped = dump::dump(&Client::new(addr), options, &mut out).and_then(|()| Ok(out.flush()?));
    match dumped {
        // Whoever reads has seen enough: `routines dump 9000 | head`.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        dumped => dumped,
    }
}

fn done(result: Result<(), impl std::fmt::Display>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    anstream::eprintln!("error: {error}");
    ExitCode::FAILURE
}
