//! `cargo run --release -p bench`: measures `routines` beside its peers, prints the tables, and regenerates `docs/benchmarks.md`.

// Sixty-four nested scopes of tokio's task-locals are sixty-four nested types.
#![recursion_limit = "256"]

mod chart;
mod counting;
mod docs;
mod group;
mod hooks;
mod keys;
mod machine;
mod measure;
mod memory;
mod pair;
mod peers;
mod poll;
mod progress;
mod report;
mod rows;
mod runtime;
mod suite;
mod targets;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::group::Group;
use crate::measure::Effort;

/// Measures `routines` beside its peers: prints Markdown tables and regenerates docs/benchmarks.md with its charts.
#[derive(Parser)]
#[command(name = "bench")]
struct Cli {
    /// A few rounds only, to see that everything runs; leaves the documentation alone.
    #[arg(long, global = true)]
    quick: bool,
    /// Also write the rows to this file, as a JSON array of {group, case, peer, ns, x_rand, x_tls}.
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Measure these tables only (cancel, wire, ...); leaves the documentation alone.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', value_parser = Group::of_slug)]
    only: Vec<Group>,
    #[command(subcommand)]
    command: Option<What>,
}

/// What else can be measured.
#[derive(Subcommand)]
enum What {
    /// Counts bytes and allocations instead of time.
    Memory,
    /// Measures runtime hooks; needs a build with RUSTFLAGS="--cfg tokio_unstable".
    Hooks,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => timings(&cli),
        Some(What::Memory) => memory(&cli),
        Some(What::Hooks) => hooked(&cli),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn timings(cli: &Cli) -> io::Result<()> {
    let rows = suite::run(if cli.quick { Effort::QUICK } else { Effort::FULL }, &cli.only);
    let text = report::markdown(&rows);
    print!("{text}");
    if let Some(path) = &cli.json {
        report::write_json(&rows, path)?;
    }
    if cli.quick || !cli.only.is_empty() {
        return Ok(());
    }
    docs::regenerate(docs::TIMINGS, &(chart::links() + &text))?;
    chart::draw(&rows)
}

fn memory(cli: &Cli) -> io::Result<()> {
    let text = memory::run(cli.quick);
    print!("{text}");
    if cli.quick { Ok(()) } else { docs::regenerate(docs::MEMORY, &text) }
}

fn hooked(cli: &Cli) -> io::Result<()> {
    if !routines_tokio::Flow::is_supported() {
        let needs = "runtime hooks need a build with RUSTFLAGS=\"--cfg tokio_unstable\"";
        return Err(io::Error::new(io::ErrorKind::Unsupported, needs));
    }
    let rows = hooks::run(if cli.quick { Effort::QUICK } else { Effort::FULL });
    let text = report::markdown(&rows) + &memory::hooked(cli.quick);
    print!("{text}");
    if cli.quick { Ok(()) } else { docs::regenerate(docs::HOOKS, &text) }
}
