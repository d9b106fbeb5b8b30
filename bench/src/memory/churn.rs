//! Millions of short routines: afterwards the memory must be what it was, byte for byte.

use routines::Local;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::counting::Live;
use crate::hooks;
use crate::progress::Progress;
use crate::runtime;

/// How many live at the same time.
const WAVE: u64 = 1_000;

static NUMBER: Local<u64> = Local::new();
static TEXT: Local<String> = Local::new().named("churn_text");

/// The table, with so many routines.
pub(super) fn markdown(routines: u64) -> String {
    let runtime = Box::leak(Box::new(runtime::build()));
    let ours = churn(runtime, "short routines", routines, |number| routines_tokio::spawn(short(number)));
    table("short routines", routines, &ours)
}

/// The same with plain tasks, which runtime hooks make routines.
pub(super) fn hooked(routines: u64) -> String {
    let ours = churn(hooks::hooked(), "hooked tasks", routines, |number| tokio::spawn(short(number)));
    table("plain tasks under hooks", routines, &ours)
}

fn table(what: &str, routines: u64, ours: &Churn) -> String {
    let runtime = Box::leak(Box::new(runtime::build()));
    let bare = churn(runtime, "bare tasks", routines / 10, |_| tokio::spawn(runtime::child()));
    format!(
        "### {routines} {what}, {WAVE} at a time, each setting an u64 and a named String\n\n\
         | what | is | must | {} bare tasks |\n| --- | ---: | ---: | ---: |\n\
         | bytes left after the last, against the first thousand | {:+} | +0 | {:+} |\n\
         | allocations left | {:+} | +0 | {:+} |\n\
         | most bytes left after any thousand | {:+} | | {:+} |\n\n",
        routines / 10,
        ours.left.bytes,
        bare.left.bytes,
        ours.left.blocks,
        bare.left.blocks,
        ours.highest,
        bare.highest
    )
}

/// What was live more than after the first wave.
struct Churn {
    left: Live,
    highest: i64,
}

fn churn(runtime: &Runtime, what: &str, routines: u64, spawn: impl Fn(u64) -> JoinHandle<()>) -> Churn {
    let waves = routines / WAVE;
    let mut progress = Progress::new(format!("waves of {WAVE} {what}"), waves as usize);
    // The first wave fills what is recycled afterwards: the runtime's queue, the registry's slots.
    runtime.block_on(wave(&spawn));
    let start = Live::now();
    let mut highest = 0;
    for done in 0..waves {
        runtime.block_on(wave(&spawn));
        highest = highest.max(Live::since(start).bytes);
        progress.at(done as usize + 1);
    }
    Churn { left: Live::since(start), highest }
}

async fn wave(spawn: &impl Fn(u64) -> JoinHandle<()>) {
    let live: Vec<_> = (0..WAVE).map(spawn).collect();
    for routine in live {
        routine.await.expect("short routines do not panic");
    }
}

async fn short(number: u64) {
    NUMBER.set(number);
    TEXT.set(String::from("a request"));
    runtime::child().await;
}
