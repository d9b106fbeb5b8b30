//! Owns the run: rounds of units on fresh runtimes, some of which are shut down half way, or a run that is watched; and the verdict.
//!
//! 0: no read was wrong and nothing was left; 1: not so; 2: it could not run.

mod detached;
mod oracle;
mod tally;
mod unit;
mod watched;
mod ways;

use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use async_executor::Executor;
use clap::Parser;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use routines_tokio::Flow;
use threadpool::ThreadPool;
use tokio::runtime::{Builder, Runtime};

use crate::tally::Tally;
use crate::unit::Unit;
use crate::ways::{Host, Way};

/// Mixes every way work moves, at random, with panics, aborts and shutdowns, and checks every read against an oracle.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// How many units of work in each round, about
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    units: u64,

    /// How many rounds, each on fresh runtimes
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rounds: u64,

    /// Repeats a run's decisions; which unit meets which on a thread is the machine's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Looks at routines that start and end in great numbers instead, with all there is to look with
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "60", conflicts_with_all = ["units", "rounds", "seed"])]
    watched: Option<u32>,
}

/// So long what is ending may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Units a round begins with.
const ROOTS: u64 = 32;

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(seconds) = options.watched {
        return watch(Duration::from_secs(seconds.into()));
    }
    let seed = options.seed.unwrap_or_else(rand::random);
    println!("seed {seed}, {} rounds of about {} units", options.rounds, options.units);
    if !Flow::is_supported() {
        println!("SKIPPED plain spawns that inherit: built without --cfg tokio_unstable");
    }
    let begin = Instant::now();
    match soak(&options, seed) {
        Ok(tally) => {
            report(&tally);
            println!("{:.1} s", begin.elapsed().as_secs_f64());
            if tally.wrong() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(left) => {
            anstream::eprintln!("error: {left}; repeat with --seed {seed}");
            ExitCode::from(1)
        }
    }
}

fn watch(duration: Duration) -> ExitCode {
    routines_tokio::install();
    match watched::run(duration) {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            anstream::eprintln!("error: {wrong}");
            ExitCode::from(1)
        }
    }
}

fn soak(options: &Options, seed: u64) -> Result<Arc<Tally>, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let tally = Arc::new(Tally::default());
    routines_tokio::install();
    // Pools live on between rounds, as in a service; what they keep of a round is found at its end.
    let pool = ThreadPool::new(2);
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().map_err(|error| error.to_string())?;
    rayon::broadcast(|_| routines::id());
    // A thread is listed from its first look at the library on: have all of them look, each for itself.
    let all_looked = Arc::new(Barrier::new(5));
    for _ in 0..2 {
        let looked = Arc::clone(&all_looked);
        pool.execute(move || _ = (routines::id(), looked.wait()));
    }
    let smol = Arc::new(Executor::new());
    let workers = smol_workers(&smol, &all_looked);
    all_looked.wait();
    let base = routines::ids().len();
    for round in 0..options.rounds {
        tally.allow(options.units);
        let shut_down = random.random_ratio(1, 4);
        run_round(&tally, &pool, &smol, &mut random, shut_down)?;
        wait(|| tally.alive() == 0).map_err(|()| format!("round {round}: {} units never ended", tally.alive()))?;
        wait(|| routines::ids().len() <= base).map_err(|()| {
            format!("round {round}: {} routines are left:\n{}", routines::ids().len() - base, routines::dump())
        })?;
        wait(|| oracle::live_values() == 0)
            .map_err(|()| format!("round {round}: {} values are left", oracle::live_values()))?;
        if tally.wrong() > 0 {
            break;
        }
        if (round + 1) % 10 == 0 {
            anstream::eprintln!("{} of {} rounds", round + 1, options.rounds);
        }
    }
    drop(workers);
    Ok(tally)
}

/// Threads that run the other executor's tasks until they are dropped.
fn smol_workers(smol: &Arc<Executor<'static>>, looked: &Arc<Barrier>) -> Vec<tokio::sync::oneshot::Sender<()>> {
    let worker = |smol: Arc<Executor<'static>>| {
        let looked = Arc::clone(looked);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        std::thread::spawn(move || {
            let _ = (routines::id(), looked.wait());
            // An injected panic comes out of the poll; the executor goes on.
            let mut stopped = std::pin::pin!(stopped);
            let go_on = || drop(futures::executor::block_on(smol.run(stopped.as_mut())));
            let mut go_on = std::panic::AssertUnwindSafe(go_on);
            while std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut *go_on)).is_err() {}
        });
        stop
    };
    (0..2).map(|_| worker(Arc::clone(smol))).collect()
}

fn runtimes() -> Result<(Runtime, Runtime), String> {
    let mut hooked = Builder::new_multi_thread();
    Flow::new().detach(detached::PLACE).install(hooked.worker_threads(2).enable_all());
    let hooked = hooked.build().map_err(|error| error.to_string())?;
    let bare = Builder::new_multi_thread().worker_threads(2).build().map_err(|error| error.to_string())?;
    Ok((hooked, bare))
}

fn run_round(
    tally: &Arc<Tally>,
    pool: &ThreadPool,
    smol: &Arc<Executor<'static>>,
    random: &mut StdRng,
    shut_down: bool,
) -> Result<(), String> {
    let (hooked, bare) = runtimes()?;
    let host = Arc::new(Host {
        tally: Arc::clone(tally),
        hooked: hooked.handle().clone(),
        bare: bare.handle().clone(),
        pool: pool.clone(),
        smol: Arc::clone(smol),
    });
    for _ in 0..ROOTS {
        ways::start(&host, Way::Root, Unit::root(&host, random.random())).forget();
    }
    if shut_down {
        // With whatever is alive by then.
        let some = tally.figures()[0] + random.random_range(0..20_000);
        let _enough = wait(|| tally.alive() == 0 || tally.figures()[0] >= some);
    } else {
        wait(|| tally.alive() == 0).map_err(|()| format!("{} units never ended", tally.alive()))?;
    }
    drop((hooked, bare));
    Ok(())
}

/// Waits until `holds`, which some other thread brings about.
fn wait(holds: impl Fn() -> bool) -> Result<(), ()> {
    let begin = Instant::now();
    while !holds() {
        if begin.elapsed() > PATIENCE {
            return Err(());
        }
        std::thread::yield_now();
    }
    Ok(())
}

fn report(tally: &Tally) {
    println!("\n{:<16}{:>12}", "way", "units");
    tally.ways().for_each(|(way, units)| println!("{:<16}{units:>12}", format!("{way:?}")));
    let [reads, panics, early] = tally.figures();
    println!("\n{:<28}{reads:>12}", "contexts compared");
    println!("{:<28}{panics:>12}", "panics injected");
    println!("{:<28}{early:>12}", "units dropped half way");
    println!("{:<28}{:>12}", "wrong", tally.wrong());
    tally.told().iter().for_each(|wrong| println!("  {wrong}"));
    println!("{:<28}{:>12}", "values left", oracle::live_values());
}
