//! Owns a program whose CPU time per label is known: threads and short polls that read their own clock.
//!
//! `cargo run -p routines-profile --example profile` profiles itself for two seconds and prints what was measured. With a directory and
//! a number of seconds it leaves its profiles there; with a third word it then serves `/debug/pprof` until its input ends.
//!
//! Build with `RUSTFLAGS="-C force-frame-pointers=yes"` to see whole stacks.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use routines::Local;
use routines_profile::{Options, ProfileBuilder, router};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

static TENANT: Local<&str> = Local::new().named("tenant").labelled();
static ROUTE: Local<&str> = Local::new().named("route").labelled();
static JOB: Local<String> = Local::new().named("job").labelled();

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Threads with their labels, and how many of ten milliseconds each works.
const THREADS: [(&str, &str, u64); 3] = [("acme", "/search", 6), ("globex", "/search", 4), ("initech", "/checkout", 3)];
/// Tasks with their label, how many microseconds a poll works at most, and how many there are at once on two threads.
const TASKS: [(&str, u64, u64); 3] = [("index", 3000, 2), ("mail", 1500, 3), ("report", 800, 5)];

fn clock(id: ClockId) -> Duration {
    clock_gettime(id).try_into().expect("a clock that counts from 0")
}

/// Works until this thread has used so much time; returns what it did use.
#[inline(never)]
fn work(time: Duration) -> Duration {
    let start = clock(ClockId::ThreadCPUTime);
    loop {
        black_box((0..2000_u64).fold(0, |sum, n| black_box(sum ^ n.wrapping_mul(0x9e37_79b9))));
        let used = clock(ClockId::ThreadCPUTime) - start;
        if used >= time {
            return used;
        }
    }
}

#[inline(never)]
fn search(time: Duration) -> Duration {
    black_box(work(black_box(time)))
}

#[inline(never)]
fn checkout(time: Duration) -> Duration {
    black_box(work(black_box(time)))
}

#[inline(never)]
fn serve_requests(route: &str, share: u64) {
    let handle = if route == "/search" { search } else { checkout };
    while !STOPPED.load(Ordering::Relaxed) {
        handle(Duration::from_millis(share));
        thread::sleep(Duration::from_millis(10 - share));
    }
}

/// A thread with labels: all it ever does is theirs.
fn labelled_thread(tenant: &'static str, route: &'static str, share: u64) -> thread::JoinHandle<Duration> {
    TENANT.sync_scope(tenant, || {
        ROUTE.sync_scope(route, || {
            routines::thread::spawn(move || {
                serve_requests(route, share);
                clock(ClockId::ThreadCPUTime)
            })
        })
    })
}

/// Polls of a millisecond or so, each of which may be on another thread.
async fn polls(longest: u64, used: &'static AtomicU64, mut random: u64) {
    while !STOPPED.load(Ordering::Relaxed) {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let time = Duration::from_micros(longest / 2 + (random >> 33) % (longest / 2));
        used.fetch_add(work(time).as_nanos() as u64, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

fn labelled_tasks(runtime: &tokio::runtime::Runtime) -> BTreeMap<&'static str, &'static AtomicU64> {
    let _inside = runtime.enter();
    TASKS
        .into_iter()
        .map(|(job, longest, count)| {
            let used: &'static AtomicU64 = Box::leak(Box::default());
            JOB.sync_scope(job.to_owned(), || {
                for seed in 1..=count {
                    routines_tokio::spawn(polls(longest, used, seed));
                }
            });
            (job, used)
        })
        .collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    routines_profile::install()?;
    let mut args = std::env::args().skip(1);
    let directory = args.next().map_or_else(|| std::env::temp_dir().join("routines-profile"), PathBuf::from);
    let seconds = args.next().map_or(Ok(2), |seconds| seconds.parse())?;
    fs::create_dir_all(&directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;

    let before = clock(ClockId::ProcessCPUTime);
    // As often as the system's clock ticks at the least, nearly: time in short polls is found by chance.
    let profiling = thread::spawn(move || ProfileBuilder::new().frequency(199).run(Duration::from_secs(seconds)));
    thread::sleep(Duration::from_millis(100));
    let threads: Vec<_> = THREADS.map(|(tenant, route, share)| (tenant, labelled_thread(tenant, route, share))).into();
    let tasks = labelled_tasks(&runtime);
    thread::sleep(Duration::from_secs(seconds) - Duration::from_millis(300));
    STOPPED.store(true, Ordering::Relaxed);
    let threads: BTreeMap<_, _> = threads
        .into_iter()
        .map(|(tenant, thread)| Ok((tenant, thread.join()?)))
        .collect::<thread::Result<_>>()
        .unwrap();
    let total = clock(ClockId::ProcessCPUTime) - before;
    let profile = profiling.join().unwrap()?;

    fs::write(directory.join("cpu.pb.gz"), profile.to_pprof())?;
    fs::write(directory.join("frames.pb.gz"), profile.to_pprof_labels_as_frames())?;
    fs::write(directory.join("flames.svg"), profile.to_svg())?;
    fs::write(directory.join("folded.txt"), profile.to_folded())?;
    let nanos = |time: Duration| time.as_nanos() as u64;
    let truth = json!({
        "tenant": threads.iter().map(|(tenant, used)| (*tenant, nanos(*used))).collect::<BTreeMap<_, _>>(),
        "job": tasks.iter().map(|(job, used)| (*job, used.load(Ordering::Relaxed))).collect::<BTreeMap<_, _>>(),
        "total": nanos(total),
    });
    fs::write(directory.join("truth.json"), truth.to_string())?;
    println!("{truth}");

    let seen = |key: &str| profile.samples().iter().any(|sample| sample.labels.iter().any(|(name, _)| name == key));
    assert!(seen("tenant") && seen("route") && seen("job"), "labels of threads and of tasks are in the profile");
    if args.next().is_some() { serve(&runtime) } else { Ok(()) }
}

/// For `go tool pprof http://…`, with something to see.
fn serve(runtime: &tokio::runtime::Runtime) -> Result<(), Box<dyn Error>> {
    STOPPED.store(false, Ordering::Relaxed);
    let _busy = THREADS.map(|(tenant, route, share)| labelled_thread(tenant, route, share));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    println!("http://{}/debug/pprof/", listener.local_addr()?);
    let service = router(Options::default()).into_make_service_with_connect_info::<SocketAddr>();
    runtime.spawn(async { axum::serve(listener, service).await });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    STOPPED.store(true, Ordering::Relaxed);
    Ok(())
}
