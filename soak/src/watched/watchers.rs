//! Owns who looks: each in a thread of its own, without a pause, and each compares all it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use routines::{Dump, NamedValue, RoutineInfo};
use routines_cli::client::Client;
use routines_cli::query::{Query, Shape};
use routines_cli::wire::{self, Page, Row};
use routines_inspect::page;
use routines_profile::ProfileBuilder;

use super::Account;
use super::families::SPAWNER_NAME;

/// One who looks.
pub(super) struct Watcher {
    name: &'static str,
    rounds: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Watcher {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// How many times it has looked.
    pub(super) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    pub(super) fn has_looked(&self) -> Result<(), String> {
        if self.rounds() == 0 { Err(format!("never: {}", self.name)) } else { Ok(()) }
    }
}

/// Looks once.
type Look = fn(&Account, &Client) -> Result<(), String>;

const LOOKS: [(&str, Look); 6] = [
    ("dump taken and read", dump),
    ("page as text", text),
    ("page as JSON", json),
    ("page over HTTP", http),
    ("profile of routines", routine_profile),
    ("CPU profile", cpu_profile),
];

/// Starts all of them.
pub(super) fn start(account: &Arc<Account>, page: SocketAddr) -> Vec<Watcher> {
    LOOKS
        .map(|(name, look)| {
            let rounds = Arc::<AtomicU64>::default();
            let thread = std::thread::spawn({
                let (account, rounds) = (Arc::clone(account), Arc::clone(&rounds));
                move || watch(name, look, &account, page, &rounds)
            });
            Watcher { name, rounds, thread }
        })
        .into()
}

fn watch(name: &str, look: Look, account: &Account, page: SocketAddr, rounds: &AtomicU64) {
    let Ok(address) = page.to_string().parse() else { return account.wrong(format!("{page} is no address")) };
    let client = Client::new(address);
    while !account.is_over() {
        if let Err(error) = look(account, &client) {
            account.wrong(format!("{name}: {error}"));
        }
        rounds.fetch_add(1, Ordering::Relaxed);
    }
}

fn dump(account: &Account, _: &Client) -> Result<(), String> {
    let dump = routines::dump();
    compare(account, &dump.routines)?;
    let json = dump.to_json();
    let read = Dump::from_json(&json).map_err(|error| error.to_string())?;
    // Times are written in whole milliseconds.
    if read.to_json() == json { Ok(()) } else { Err("it is not what was written".to_owned()) }
}

fn text(account: &Account, _: &Client) -> Result<(), String> {
    let read = Dump::parse(&page::each()).map_err(|error| error.to_string())?;
    compare(account, &read.routines)?;
    let lines = page::tree().lines().count().min(page::grouped().lines().count());
    if lines == 0 { Err("nothing is told".to_owned()) } else { Ok(()) }
}

fn json(account: &Account, _: &Client) -> Result<(), String> {
    for query in QUERIES {
        let query = page::Query::parse(query).map_err(|error| error.to_string())?;
        let read: Page<Row> = wire::read(&page::json(&query), 1_000).map_err(|error| error.to_string())?;
        compare_rows(account, read)?;
    }
    Ok(())
}

const QUERIES: [&str; 4] =
    ["per_page=1000", "sort=age&desc=true&q=tribe%3Dodd&page=1", "view=tree&sort=busy", "view=groups&q=spawner%3D"];

fn http(account: &Account, client: &Client) -> Result<(), String> {
    for shape in [Shape::Routines, Shape::Tree, Shape::Groups] {
        let query = Query { shape, per_page: 1_000, ..Query::default() };
        compare_rows(account, ask(client, &query)?)?;
    }
    Ok(())
}

/// On a machine with too much to do an answer may be late; it must not be late for ever.
fn ask(client: &Client, query: &Query) -> Result<Page<Row>, String> {
    let mut asked = client.page(query);
    for _ in 0..3 {
        asked = asked.or_else(|_| client.page(query));
    }
    asked.map_err(|fault| fault.to_string())
}

fn routine_profile(_: &Account, _: &Client) -> Result<(), String> {
    filled(&routines_profile::routine_profile().to_pprof())
}

fn cpu_profile(_: &Account, _: &Client) -> Result<(), String> {
    let profile = ProfileBuilder::new().run(Duration::from_millis(100)).map_err(|error| error.to_string())?;
    filled(&profile.to_pprof())
}

fn filled(pprof: &[u8]) -> Result<(), String> {
    if pprof.is_empty() { Err("it is empty".to_owned()) } else { Ok(()) }
}

fn compare_rows(account: &Account, page: Page<Row>) -> Result<(), String> {
    let mut rows: Vec<RoutineInfo> = page.routines.into_iter().map(|row| row.info).collect();
    rows.sort_by_key(|info| info.id);
    compare(account, &rows)
}

/// What is told of each routine, which are sorted by id: that it is one, and who spawned it.
fn compare(account: &Account, all: &[RoutineInfo]) -> Result<(), String> {
    if let Some(pair) = all.windows(2).find(|pair| pair[0].id >= pair[1].id) {
        return Err(format!("routine {} is told of twice", pair[1].id));
    }
    for info in all {
        let spawner = info.values.iter().find(|(name, _)| name == SPAWNER_NAME);
        if let Some((_, NamedValue::U64(spawner @ 1..))) = spawner {
            account.compare(
                info.id.as_u64(),
                info.parent.map(|parent| parent.as_u64()),
                *spawner,
                &account.by_watchers,
            );
        }
    }
    Ok(())
}
