//! Owns a part of the fleet: a process that serves, logs to its output, answers its parent and ends with it.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use clap::{Args, Subcommand};
use routines::Kind;
use routines_cancel::Token;
use routines_http::Propagation;
use routines_log::tracing::WithContext;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::level_filters::LevelFilter;

use super::pipe::{self, Control, Stats, Word};
use super::{broker, context, front, inventory, worker};

/// Which part.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    role: Role,
    /// Log nothing
    #[arg(long, global = true)]
    quiet: bool,
    /// Serve and call without the layers
    #[arg(long, global = true)]
    bare: bool,
}

#[derive(Debug, Subcommand)]
enum Role {
    Broker,
    Inventory,
    Front {
        #[arg(long)]
        inventory: SocketAddr,
        #[arg(long)]
        broker: Option<SocketAddr>,
    },
    Worker {
        #[arg(long)]
        broker: SocketAddr,
    },
}

/// Runs until the parent ends.
pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    log_to_stdout(if options.quiet { LevelFilter::OFF } else { LevelFilter::INFO });
    let words = pipe::words();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(serve(options, words));
    runtime.shutdown_background();
    done
}

fn log_to_stdout(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .json()
        .flatten_event(true)
        .map_event_format(WithContext::new)
        .init();
}

async fn serve(options: &Options, words: UnboundedReceiver<Word>) -> Result<(), Box<dyn Error>> {
    let desk = Desk { words, fleet: context::propagation(), server: Token::new() };
    match &options.role {
        Role::Broker => {
            let (mut redis, address) = broker::start().await?;
            desk.answer(Some(address)).await;
            // Dropping it would only ask for its end.
            redis.kill().await?;
        }
        Role::Inventory => {
            let (listener, address) = listen().await?;
            tokio::spawn(inventory::serve(listener, desk.layers(options)));
            desk.answer(Some(address)).await;
        }
        Role::Front { inventory, broker } => {
            let (listener, address) = listen().await?;
            let front = front::Front::open(*inventory, *broker, desk.layers(options)).await?;
            tokio::spawn(front.serve(listener, desk.server.clone()));
            desk.answer(Some(address)).await;
        }
        Role::Worker { broker } => {
            tokio::spawn(worker::consume(broker::Jobs::open(*broker).await?, desk.fleet.clone()));
            desk.answer(None).await;
        }
    }
    Ok(())
}

async fn listen() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Where a part answers its parent.
struct Desk {
    words: UnboundedReceiver<Word>,
    fleet: Propagation,
    server: Token,
}

impl Desk {
    fn layers(&self, options: &Options) -> Option<Propagation> {
        (!options.bare).then(|| self.fleet.clone())
    }

    async fn answer(mut self, address: Option<SocketAddr>) {
        pipe::say(&Control::Ready { address });
        while let Some(word) = self.words.recv().await {
            match word {
                Word::Stats => pipe::say(&Control::Stats(self.stats())),
                Word::ShutDown => drop(self.server.cancel_with(SHUTTING_DOWN)),
            }
        }
    }

    fn stats(&self) -> Stats {
        Stats {
            routines: live_routines(),
            nodes: routines_cancel::live_nodes(),
            timers: routines_cancel::pending_timers(),
            ignored: self.fleet.ignored().total(),
            resident_kb: resident_kb(),
        }
    }
}

/// Why requests are cancelled that are in flight when a server ends.
pub(super) const SHUTTING_DOWN: &str = "the server shuts down";

/// Without threads: those of the runtime are routines, too, from the first time they log.
fn live_routines() -> usize {
    routines::dump().routines.iter().filter(|routine| routine.kind != Kind::Thread).count()
}

fn resident_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
