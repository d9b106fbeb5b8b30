//! Whose bytes are they? The heap split by tenant, to the byte; and with `--bench`, what that costs.
//!
//! `cargo run --release -p routines-profile --example heap`, or with `-- heap.pb.gz` for a file to look at with `go tool pprof -tags`,
//! or with `-- --bench`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::time::Instant;

use routines::Local;
use routines_profile::heap::{self, HeapProfiler};

#[global_allocator]
static ALLOCATOR: HeapProfiler = HeapProfiler::exact();

static TENANT: Local<&str> = Local::new().named("tenant").labelled();

/// What a tenant leaves in the cache.
fn serve(tenant: &'static str, entries: usize) -> Vec<Vec<u8>> {
    TENANT.sync_scope(tenant, || (0..entries).map(|_| vec![0; 1_000]).collect())
}

fn show(path: Option<String>) -> Result<(), Box<dyn std::error::Error>> {
    let cache = [serve("acme", 3_000), serve("bolt", 500)];
    drop(serve("crag", 9_000));
    let profile = heap::profile()?;
    for (tenant, entries) in [("acme", 3_000), ("bolt", 500), ("crag", 0)] {
        let live = profile.of("tenant", tenant);
        println!("{tenant}: {} bytes in {} blocks", live.bytes, live.blocks);
        assert_eq!(live.blocks, if entries == 0 { 0 } else { entries + 1 });
        assert!(live.bytes >= 1_000 * entries);
    }
    drop(cache);
    if let Some(path) = path {
        std::fs::write(&path, profile.to_pprof())?;
        println!("go tool pprof -tags {path}");
    }
    Ok(())
}

/// The fastest of some runs, in nanoseconds for a block that is allocated and freed.
fn bench(name: &str, allocator: &impl GlobalAlloc) {
    // Short, so that some runs are not interrupted on a machine that has other work.
    const BLOCKS: u32 = 50_000;
    let run = |_| {
        let begin = Instant::now();
        (0..BLOCKS).for_each(|_| one_block(allocator));
        begin.elapsed().as_secs_f64() * 1e9 / f64::from(BLOCKS)
    };
    let fastest = (0..400).map(run).fold(f64::INFINITY, f64::min);
    println!("{name:>28} {fastest:6.1} ns");
}

#[expect(unsafe_code, reason = "a program has one global allocator, and several are compared")]
#[inline]
fn one_block(allocator: &impl GlobalAlloc) {
    let layout = black_box(Layout::new::<[u64; 8]>());
    // SAFETY: the layout is not of size zero.
    let block = black_box(unsafe { allocator.alloc(layout) });
    // SAFETY: from the call above, with its layout.
    unsafe { allocator.dealloc(block, layout) };
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // First in `main`: labels bound before would be seen only when they are next bound.
    routines_profile::install()?;
    match std::env::args().nth(1) {
        Some(option) if option == "--bench" => {
            static OFF: HeapProfiler = HeapProfiler::off();
            static SAMPLED: HeapProfiler = HeapProfiler::sampled(512 * 1024);
            bench("System", &System);
            bench("off", &OFF);
            bench("sampled, one in 512 KiB", &SAMPLED);
            TENANT.sync_scope("acme", || bench("sampled, with a label", &SAMPLED));
            bench("exact", &ALLOCATOR);
            TENANT.sync_scope("acme", || bench("exact, with a label", &ALLOCATOR));
            Ok(())
        }
        path => show(path),
    }
}
