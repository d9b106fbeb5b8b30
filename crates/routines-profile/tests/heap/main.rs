//! Promises of the sampled heap profile, in a program whose global allocator is one that takes a sample for each KiB.

mod shapes;
mod stacks;
mod threads;
mod watched;

use routines::Local;
use routines_profile::heap::{self, HeapProfiler, HeapSample, Usage};

#[global_allocator]
static ALLOCATOR: HeapProfiler<watched::Watched> = HeapProfiler::sampled(PERIOD).over(watched::Watched);
const PERIOD: usize = 1024;

/// Each test has a value of its own, so that they do not see each other's blocks.
static TEST: Local<&str> = Local::new().named("test").labelled();

/// Runs `f` with its allocations labelled `test=name`.
fn labelled<R>(name: &'static str, f: impl FnOnce() -> R) -> R {
    routines_profile::install().expect("no other reader of labels");
    TEST.sync_scope(name, f)
}

/// What is live of a test.
fn live(name: &str) -> Usage {
    heap::profile().expect("the allocator is a profiler").of("test", name)
}

fn samples(name: &str) -> Vec<HeapSample> {
    let profile = heap::profile().expect("the allocator is a profiler");
    let of_test = |sample: &&HeapSample| sample.labels.iter().any(|(key, value)| *key == "test" && value == name);
    profile.samples().iter().filter(of_test).cloned().collect()
}

/// Asserts that an estimate from `samples` samples is within five standard deviations.
fn assert_near(estimate: u64, truth: u64, samples: u64) {
    let off = (estimate as f64 - truth as f64).abs() / truth as f64;
    assert!(off < 5.0 / (samples as f64).sqrt(), "{estimate} for {truth}");
}
