//! Owns a program whose labels are read from outside: by `check/outside`, or by a profiler of your own.
//!
//! Tasks with the consistent pair of labels `task=<n>` and `check=<f(n)>` move between worker threads and change their labels all the
//! time. Beside the labels, and told apart from them by nothing but plain stores, each thread writes into a table which task it runs:
//! the reader compares. `--bench` measures what publishing costs instead; `--probe` only says whether publishing works.

use std::cell::Cell;
use std::env;
use std::fs;
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use routines::{Bindings, Local, Shown, Snapshot};
use routines_profile::publish::Publisher;
use routines_profile::record;

static TASK: Local<u64> = Local::new().named("task").labelled();
static CHECK: Local<String> = Local::new().named("check").labelled();

const THREADS: usize = 64;
const TASKS: u64 = 24;
/// A task's label is its number times this, plus how often it changed.
const ROUNDS: u64 = 1_000_000;

/// What a thread says of itself. `outer`: the number of the task it polls, 0: none, so no labels; `inner`: the exact label `task`,
/// 0: unsaid, as labels are just being changed.
struct Row {
    tid: AtomicU64,
    outer: AtomicU64,
    inner: AtomicU64,
}

static TABLE: [Row; THREADS] =
    [const { Row { tid: AtomicU64::new(0), outer: AtomicU64::new(0), inner: AtomicU64::new(0) } }; THREADS];
static ROWS: AtomicU64 = AtomicU64::new(0);

thread_local!(static ROW: Cell<usize> = const { Cell::new(usize::MAX) });

fn row() -> &'static Row {
    if ROW.get() == usize::MAX {
        let row = ROWS.fetch_add(1, Relaxed) as usize;
        let link = fs::read_link("/proc/thread-self").expect("Linux");
        let tid = link.file_name().and_then(|tid| tid.to_str()?.parse().ok()).expect("a thread's id");
        TABLE[row].tid.store(tid, Relaxed);
        ROW.set(row);
    }
    &TABLE[ROW.get()]
}

/// Says on whatever thread `future` is polled, and only while it is, that its task runs there.
struct Said<F> {
    future: F,
    number: u64,
    cell: fn(&Row) -> &AtomicU64,
}

impl<F: Future + Unpin> Future for Said<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let cell = (self.cell)(row());
        cell.store(self.number, Relaxed);
        let poll = Pin::new(&mut self.future).poll(cx);
        cell.store(0, Relaxed);
        poll
    }
}

/// The label that belongs to `task`: no other number has it.
fn check(task: u64) -> String {
    format!("<{:016x}>", task.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

async fn rounds(number: u64, until: Instant) {
    let mut round = 0;
    while Instant::now() < until {
        round += 1;
        let task = number * ROUNDS + round % ROUNDS;
        let labels = Bindings::new().with(&TASK, task).with(&CHECK, check(task));
        let steps = pin!(async {
            for _ in 0..4 {
                (0..50 + task % 100).for_each(|turn| _ = black_box(turn));
                tokio::task::yield_now().await;
            }
        });
        labels.scope(Said { future: steps, number: task, cell: |row| &row.inner }).await;
    }
}

/// The same on a thread of its own, whose labels come and go with closures.
fn thread_rounds(number: u64, until: Instant) {
    let row = row();
    let mut round = 0;
    while Instant::now() < until {
        round += 1;
        let task = number * ROUNDS + round % ROUNDS;
        let labels = Bindings::new().with(&TASK, task).with(&CHECK, check(task));
        row.outer.store(number, Relaxed);
        labels.sync_scope(|| {
            row.inner.store(task, Relaxed);
            (0..50 + task % 500).for_each(|turn| _ = black_box(turn));
            row.inner.store(0, Relaxed);
        });
        row.outer.store(0, Relaxed);
        (0..100).for_each(|turn| _ = black_box(turn));
    }
}

fn run(seconds: u64) {
    println!("table {} {THREADS} {ROUNDS}", TABLE.as_ptr().addr());
    let until = Instant::now() + Duration::from_secs(seconds);
    let plain = thread::spawn(move || thread_rounds(TASKS + 1, until));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().expect("a runtime");
    runtime.block_on(async {
        let spawn = |number| {
            let future = Box::pin(rounds(number, until));
            tokio::spawn(Said { future, number, cell: |row| &row.outer })
        };
        for task in (1..=TASKS).map(spawn).collect::<Vec<_>>() {
            task.await.expect("no task panics");
        }
    });
    plain.join().expect("no panic");
}

/// Nanoseconds a turn of `work` takes: the best of many short goes, as whatever else runs on the machine only adds.
fn nanoseconds(mut work: impl FnMut()) -> f64 {
    const TURNS: u32 = 5_000;
    let go = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..TURNS).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(TURNS)
    };
    (0..1_000).map(|_| go(&mut work)).fold(f64::INFINITY, f64::min)
}

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--bench") {
        bench();
        return ExitCode::SUCCESS;
    }
    match Publisher::new().resource("service.name", "published").resource("service.version", "1").install() {
        Ok(published) => println!("published {published:?}"),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    }
    if !has("--probe") {
        run(args.first().and_then(|seconds| seconds.parse().ok()).unwrap_or(60));
    }
    ExitCode::SUCCESS
}

/// What labels cost: without a reader, with one for profiles in the process, and published; beside a random number as the yardstick.
fn bench() {
    let yardstick = nanoseconds(|| _ = black_box(rand::random::<u64>()));
    let line = |what: &str, ns: f64| println!("{what:<60} {ns:7.2} ns {:7.2} random numbers", ns / yardstick);
    line("a random number", yardstick);
    line("build and free a record of two labels", {
        let labels = [("tenant", Shown::Str("acme")), ("route", Shown::Str("/search"))];
        nanoseconds(|| _ = black_box(record::build(black_box(&labels))))
    });
    let [bare_run, bare_set] = costs();
    line("no reader: run with other labels and back", bare_run);
    line("no reader: change one of two labels", bare_set);
    routines_profile::install().expect("no other reader");
    let [run, set] = costs();
    line("in the process: run with other labels and back", run);
    line("in the process: change one of two labels", set);
    if let Err(error) = Publisher::new().install() {
        return eprintln!("{error}");
    }
    let [published_run, published_set] = costs();
    line("published: run with other labels and back", published_run);
    line("published: change one of two labels", published_set);
    line("hence labels, a switch", (run - bare_run) / 2.0);
    line("hence publishing, a switch", (published_run - run) / 2.0);
    line("hence labels, a change", set - bare_set);
    line("hence publishing, a change", published_set - set);
}

/// To run with two labels, which is two switches, and to change one of two.
fn costs() -> [f64; 2] {
    static TENANT: Local<&str> = Local::new().named("tenant").labelled();
    static ROUTE: Local<&str> = Local::new().named("route").labelled();

    Bindings::new().with(&TENANT, "acme").with(&ROUTE, "/search").sync_scope(|| {
        let labels = Snapshot::capture();
        TENANT.sync_scope("globex", || {
            let run = nanoseconds(|| labels.sync_scope(|| _ = black_box(0)));
            let mut turn = false;
            let set = nanoseconds(|| {
                turn = !turn;
                ROUTE.set(if turn { "/search/one" } else { "/search/two" });
            });
            [run, set]
        })
    })
}
