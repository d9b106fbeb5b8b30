//! Owns `storefront cost`: what being looked at costs a service under load, each way against the same service unwatched.
//!
//! Every measurement is a process of its own, because what profilers install stays for the life of a process. Processes that are
//! watched and such that are not take turns; the ratio is of those that ran next to each other.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};

use crate::client::Customers;
use crate::load;
use crate::logs;
use crate::progress::Progress;
use crate::serve;
use crate::service::{self, Shop};

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many pairs of runs for each way of watching
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// How many requests in each run
    #[arg(long, value_name = "N", default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    requests: u64,
    /// These ways only
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Watch>,
}

/// A run that is measured.
#[derive(Debug, Args)]
pub(crate) struct Part {
    #[arg(long, value_enum)]
    watch: Watch,
    #[arg(long)]
    requests: u64,
}

/// How the service is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Watch {
    /// Not at all: the registry is always on
    Nobody,
    /// Polls are timed
    Timed,
    /// Somebody has the live page open
    Page,
    /// Labels are built and switched, as for a profiler that is not sampling
    Labels,
    /// CPU profiles at 99 Hz, one after the other
    Profile,
    /// Labels are published for profilers outside
    Published,
}

const AT_ONCE: u64 = 32;

/// Runs everything and prints the table.
pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header([
        "watched by",
        "requests/s",
        "unwatched",
        "ratio, median",
        "lowest",
        "highest",
    ]);
    for number in 1..6 {
        if let Some(column) = table.column_mut(number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for watch in Watch::value_variants() {
        if options.only.is_empty() || options.only.contains(watch) {
            table.add_row(compare(*watch, options)?);
        }
    }
    println!("{table}");
    Ok(())
}

fn compare(watch: Watch, options: &Options) -> Result<Vec<String>, Box<dyn Error>> {
    let mut pairs = Vec::new();
    for round in 0..options.rounds {
        eprint!("\r{:<12} {} of {} ", name(watch), round + 1, options.rounds);
        let (mut with, mut without) = (0.0, 0.0);
        for watched in [round % 2 == 0, round % 2 != 0] {
            match watched {
                true => with = measure(watch, options.requests)?,
                false => without = measure(Watch::Nobody, options.requests)?,
            }
        }
        pairs.push((with, without, with / without));
    }
    eprintln!();
    let column = |pick: fn(&(f64, f64, f64)) -> f64| sorted(pairs.iter().map(pick).collect());
    let (with, without, ratio) = (column(|p| p.0), column(|p| p.1), column(|p| p.2));
    let middle = pairs.len() / 2;
    Ok(vec![
        name(watch),
        format!("{:.0}", with[middle]),
        format!("{:.0}", without[middle]),
        format!("{:.3}", ratio[middle]),
        format!("{:.3}", ratio[0]),
        format!("{:.3}", ratio[pairs.len() - 1]),
    ])
}

fn name(watch: Watch) -> String {
    watch.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn sorted(mut all: Vec<f64>) -> Vec<f64> {
    all.sort_by(f64::total_cmp);
    all
}

/// Requests per second of one run, in a process of its own.
fn measure(watch: Watch, requests: u64) -> Result<f64, Box<dyn Error>> {
    let mut part = Command::new(std::env::current_exe()?);
    part.args(["cost-part", "--watch", &name(watch), "--requests", &requests.to_string()]);
    let output = part.output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the run watched by {} failed: {why}", name(watch)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

/// One run: prints its requests per second.
pub(crate) fn part(part: &Part) -> Result<(), Box<dyn Error>> {
    let sink = logs::to_sink();
    if matches!(part.watch, Watch::Labels | Watch::Profile | Watch::Published) {
        routines_profile::install()?;
    }
    if part.watch == Watch::Published {
        routines_profile::publish::install()?;
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let rate = runtime.block_on(serve_and_load(part))?;
    drop(sink.take());
    println!("{rate}");
    // What still watches is not waited for.
    std::io::stdout().flush()?;
    std::process::exit(0)
}

async fn serve_and_load(part: &Part) -> Result<f64, Box<dyn Error>> {
    let directory = tempfile::Builder::new().prefix("storefront-").tempdir()?;
    let listener = serve::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let shop = Shop::open(directory.path())?;
    tokio::spawn(service::serve_accounted(listener, Arc::clone(&shop)));
    let customers = Arc::new(Customers::new(url, Arc::clone(&shop)));
    let warm_up = part.requests / 4;
    let silent = Arc::new(Progress::new(warm_up + part.requests));
    load::batch(&customers, 0..warm_up, AT_ONCE, &silent, || ()).await;
    shop.quiet().await;

    let _timing = (part.watch == Watch::Timed).then(routines::Timing::on);
    watch(part.watch).await?;
    let (responses, took) = load::batch(&customers, warm_up..warm_up + part.requests, AT_ONCE, &silent, || ()).await;
    match responses.failed.first() {
        Some(why) => Err(why.clone().into()),
        None => Ok(responses.requests() as f64 / took.as_secs_f64()),
    }
}

/// Starts what watches; it ends with the process.
async fn watch(watch: Watch) -> Result<(), Box<dyn Error>> {
    match watch {
        Watch::Page => {
            let listener = serve::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
            let page = format!("http://{}/debug/routines/json", listener.local_addr()?);
            let pages = crate::inspect::pages().into_make_service_with_connect_info::<SocketAddr>();
            tokio::spawn(async { axum::serve(listener, pages).await });
            tokio::spawn(look(page));
        }
        Watch::Profile => {
            drop(std::thread::spawn(|| while let Ok(_profile) = routines_profile::profile(Duration::from_secs(10)) {}))
        }
        Watch::Nobody | Watch::Timed | Watch::Labels | Watch::Published => {}
    }
    Ok(())
}

/// As an open page does: once a second.
async fn look(page: String) {
    let browser = reqwest::Client::new();
    loop {
        match browser.get(&page).send().await {
            Ok(answer) if answer.status().is_success() => drop(answer.bytes().await),
            other => return eprintln!("storefront: the page does not answer: {other:?}"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
