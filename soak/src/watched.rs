//! Owns the run that is watched: routines start and end in great numbers while pages, dumps and profiles of them are taken without
//! a pause; what these tell of each must be true, all must go on, and nothing may be left.

mod families;
mod memory;
mod watchers;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use families::Families;
use memory::Memory;
use watchers::Watcher;

/// What the run has seen, for all its threads.
#[derive(Default)]
struct Account {
    over: AtomicBool,
    /// Routines started.
    started: AtomicU64,
    /// Parents compared with who spawned: by the routine itself.
    by_itself: AtomicU64,
    /// The same, by whoever watched it.
    by_watchers: AtomicU64,
    /// What was wrong first.
    wrong: OnceLock<String>,
}

impl Account {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.wrong.get().is_some()
    }

    /// Ends the run.
    fn wrong(&self, what: String) {
        let _ = self.wrong.set(what);
    }

    /// Compares the parent that is recorded of a routine with the one that spawned it.
    fn compare(&self, id: u64, recorded: Option<u64>, spawner: u64, who: &AtomicU64) {
        who.fetch_add(1, Ordering::Relaxed);
        if recorded != Some(spawner) {
            self.wrong(format!("routine {id} was spawned by {spawner}, and its parent is told to be {recorded:?}"));
        }
    }
}

/// What comes at all comes within this time.
const STANDSTILL: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);

/// Runs for a while, prints what it saw, and tells what was wrong.
pub(crate) fn run(duration: Duration) -> Result<(), String> {
    let base = routines::ids().len();
    let account = Arc::new(Account::default());
    let families = Families::start(&account)?;
    let watchers = watchers::start(&account, families.page());
    let begin = Instant::now();
    let mut memory = Memory::default();
    let looked = look(&account, &watchers, &mut memory, duration);
    account.over.store(true, Ordering::Relaxed);
    let took = begin.elapsed();
    let ended = wait(|| families.is_over() && watchers.iter().all(Watcher::is_over));
    report(&account, &watchers, took, &memory);
    account.wrong.get().map_or(Ok(()), |wrong| Err(wrong.clone()))?;
    looked?;
    ended.map_err(|()| "not all of them come to their end".to_owned())?;
    watchers.iter().try_for_each(Watcher::has_looked)?;
    families.shut_down(STANDSTILL);
    wait(|| routines::ids().len() <= base).map_err(|()| format!("routines are left:\n{}", routines::dump()))?;
    memory.is_bounded()?;
    let compared = [&account.by_itself, &account.by_watchers].map(|compared| compared.load(Ordering::Relaxed));
    if compared.contains(&0) { Err("no parent was compared".to_owned()) } else { Ok(()) }
}

/// Waits until `holds`, which other threads bring about.
fn wait(holds: impl Fn() -> bool) -> Result<(), ()> {
    let begin = Instant::now();
    while !holds() {
        if begin.elapsed() > STANDSTILL {
            return Err(());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Looks after them until the time is over: each must go on.
fn look(account: &Account, watchers: &[Watcher], memory: &mut Memory, duration: Duration) -> Result<(), String> {
    let begin = Instant::now();
    let progress = || watchers.iter().map(Watcher::rounds).chain([account.started.load(Ordering::Relaxed)]);
    let mut moved: Vec<(u64, Instant)> = progress().map(|now| (now, begin)).collect();
    while begin.elapsed() < duration && !account.is_over() {
        std::thread::sleep(LOOK);
        memory.look(begin.elapsed() > duration / 2);
        for (place, (last, now)) in moved.iter_mut().zip(progress()).enumerate() {
            if last.0 != now {
                *last = (now, Instant::now());
            } else if last.1.elapsed() > STANDSTILL {
                let what = watchers.get(place).map_or("who starts routines", Watcher::name);
                return Err(format!("standstill: {what}"));
            }
        }
    }
    Ok(())
}

fn report(account: &Account, watchers: &[Watcher], took: Duration, memory: &Memory) {
    let started = account.started.load(Ordering::Relaxed);
    println!("\n{:<28}{started:>12}", "routines started");
    println!("{:<28}{:>12.0}", "a second", started as f64 / took.as_secs_f64());
    println!("{:<28}{:>12}", "parents seen by itself", account.by_itself.load(Ordering::Relaxed));
    println!("{:<28}{:>12}", "parents seen by watchers", account.by_watchers.load(Ordering::Relaxed));
    watchers.iter().for_each(|watcher| println!("{:<28}{:>12}", format!("times {}", watcher.name()), watcher.rounds()));
    println!("{memory}");
}
