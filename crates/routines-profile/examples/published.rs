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

use routines::{Bindings, Local, Snapshot};
use routines_profile::publish::Publisher;

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

/// Nanoseconds a turn of `work` takes: the best of several goes, as whatever else runs only adds.
fn nanoseconds(turns: u32, mut work: impl FnMut()) -> f64 {
    let go = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..turns).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(turns)
    };
    (0..20).map(|_| go(&mut work)).fold(f64::INFINITY, f64::min)
}

fn main() -> ExitCode {
    let args: Vec<_> = env::args().skip(1).collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    if has("--bench") {
        bench(has("--unpublished"));
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

/// What labels cost, beside a random number as the yardstick.
fn bench(unpublished: bool) {
    static PLAIN: Local<&str> = Local::new().named("plain");
    static TENANT: Local<&str> = Local::new().named("tenant").labelled();
    static ROUTE: Local<&str> = Local::new().named("route").labelled();

    let yardstick = nanoseconds(1_000_000, || _ = black_box(rand::random::<u64>()));
    let line = |what: &str, ns: f64| println!("{what:<52} {ns:8.2} ns  {:6.2} random numbers", ns / yardstick);
    line("a random number", yardstick);

    let switch = |labels: &Bindings| {
        let snapshot = labels.sync_scope(Snapshot::capture);
        nanoseconds(1_000_000, || snapshot.sync_scope(|| _ = black_box(0)))
    };
    let bare = switch(&Bindings::new().with(&PLAIN, "acme"));
    line("run in a snapshot and back, no reader", bare);
    let set = |key: &'static Local<&'static str>| {
        TENANT.sync_scope("acme", || {
            ROUTE.sync_scope("/search", || {
                PLAIN.sync_scope("x", || {
                    let mut turn = false;
                    nanoseconds(200_000, || {
                        turn = !turn;
                        key.set(if turn { "/search/one" } else { "/search/two" });
                    })
                })
            })
        })
    };
    let plain_set = set(&PLAIN);
    line("set an unlabelled value", plain_set);

    if unpublished {
        routines_profile::install().expect("no other reader");
    } else if let Err(error) = Publisher::new().install() {
        return eprintln!("{error}");
    }
    let plain = switch(&Bindings::new().with(&PLAIN, "acme"));
    line("run in a snapshot and back, no labels", plain);
    let labelled = switch(&Bindings::new().with(&TENANT, "acme").with(&ROUTE, "/search"));
    line("run in a snapshot and back, two labels", labelled);
    line("  hence one switch of labels", (labelled - plain) / 2.0);
    let labelled_set = set(&ROUTE);
    line("set one of two labels", labelled_set);
    line("  hence one change of a label", labelled_set - plain_set);
}
