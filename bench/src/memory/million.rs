//! A million live routines: what they weigh, how long it takes to list them, and who has to wait meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::counting::Live;
use crate::measure::median;
use crate::memory::parked::{Park, all};
use crate::progress::Progress;
use crate::runtime;

/// How often they are listed.
const LISTINGS: usize = 30;

/// The table, with so many routines.
pub(super) fn markdown(count: u64) -> String {
    let runtime = runtime::build();
    eprintln!("{count} live routines: spawning");
    let before = Live::now();
    runtime.block_on(all(count, || drop(routines_tokio::spawn(Park))));
    let weight = Live::since(before);
    let spawner = Spawner::start();
    let listing = windows(&spawner, "listing", || {
        let live = routines::ids().len() as u64;
        assert!(live >= count, "{live} listed of {count}");
    });
    // As long a stretch of work without a listing: what the machine itself makes a spawn wait.
    let stretch = Duration::from_secs_f64(median(listing.iter().map(|window| window.took.as_secs_f64())));
    let idle = windows(&spawner, "working, not listing", || busy(stretch));
    spawner.stop();
    table(count, weight, &idle, &listing)
}

/// Works for so long, without allocating.
fn busy(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn table(count: u64, weight: Live, idle: &[Window], listing: &[Window]) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let took = |windows: &[Window]| median(windows.iter().map(|window| ms(window.took)));
    let worst = |windows: &[Window]| windows.iter().map(|window| ms(window.worst)).fold(0.0, f64::max);
    let usual = |windows: &[Window]| median(windows.iter().map(|window| ms(window.worst)));
    let late = |windows: &[Window]| windows.iter().filter(|window| window.worst > Duration::from_millis(1)).count();
    format!(
        "### {count} live routines\n\n| what | is | must |\n| --- | ---: | ---: |\n\
         | bytes each, the task included | {:.1} | |\n\
         | `routines::ids()`, median of {LISTINGS} | {:.1} ms | 20 ms |\n\
         | slowest spawn on another thread during one `ids()`: median, worst | {:.3} ms, {:.3} ms | 1 ms |\n\
         | the same in stretches of the same length without `ids()` | {:.3} ms, {:.3} ms | |\n\
         | stretches of {LISTINGS} with a spawn that took over 1 ms: with `ids()`, without | {}, {} | 0 |\n\n",
        weight.bytes as f64 / count as f64,
        took(listing),
        usual(listing),
        worst(listing),
        usual(idle),
        worst(idle),
        late(listing),
        late(idle),
    )
}

/// A stretch of time, and the slowest spawn in it.
struct Window {
    took: Duration,
    worst: Duration,
}

fn windows(spawner: &Spawner, what: &str, mut during: impl FnMut()) -> Vec<Window> {
    let mut progress = Progress::new(what, LISTINGS);
    let mut window = |round: usize| {
        spawner.after_next();
        spawner.worst.store(0, Relaxed);
        let start = Instant::now();
        during();
        let took = start.elapsed();
        // A spawn that waited for us ends after us.
        spawner.after_next();
        progress.at(round + 1);
        Window { took, worst: Duration::from_nanos(spawner.worst.load(Relaxed)) }
    };
    (0..LISTINGS).map(&mut window).collect()
}

/// A thread that spawns and joins routines without end, and keeps the time of the slowest spawn.
struct Spawner {
    worst: Arc<AtomicU64>,
    spawned: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Spawner {
    fn start() -> Self {
        let worst = Arc::new(AtomicU64::new(0));
        let spawned = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let (its_worst, its_spawned, its_done) = (worst.clone(), spawned.clone(), done.clone());
        let thread = thread::spawn(move || {
            runtime::build().block_on(async {
                while !its_done.load(Relaxed) {
                    let start = Instant::now();
                    let child = routines_tokio::spawn(runtime::child());
                    its_worst.fetch_max(start.elapsed().as_nanos() as u64, Relaxed);
                    child.await.expect("children do not panic");
                    its_spawned.fetch_add(1, Relaxed);
                }
            });
        });
        Self { worst, spawned, done, thread }
    }

    /// Waits until a spawn that began after this call has ended.
    fn after_next(&self) {
        let now = self.spawned.load(Relaxed);
        while self.spawned.load(Relaxed) < now + 2 {
            std::hint::spin_loop();
        }
    }

    fn stop(self) {
        self.done.store(true, Relaxed);
        self.thread.join().expect("the spawner does not panic");
    }
}
