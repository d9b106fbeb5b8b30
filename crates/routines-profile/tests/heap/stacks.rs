//! Promises about the stacks of samples, and the export.

use std::hint::black_box;
use std::io::Read;

use flate2::read::GzDecoder;
use routines_profile::heap;

use super::{PERIOD, labelled, samples};

#[inline(never)]
fn leaks_here() -> Vec<u8> {
    black_box(vec![1; 100 * PERIOD])
}

#[test]
fn a_sample_has_the_stack_that_allocated_and_its_labels() {
    let held = labelled("stack", || black_box(leaks_here()));
    let samples = samples("stack");
    assert_eq!(samples.len(), 1);
    assert!(samples[0].stack.len() > 3);
    let names: Vec<String> = samples[0].stack.iter().map(|address| name(address - 1)).collect();
    assert!(names.iter().any(|name| name.contains("leaks_here")), "{names:#?}");
    drop(held);
}

fn name(address: usize) -> String {
    let mut names = Vec::new();
    backtrace::resolve(std::ptr::without_provenance_mut(address), |symbol| {
        names.extend(symbol.name().map(|name| name.to_string()))
    });
    names.join(" < ")
}

#[test]
fn the_export_has_labels_functions_and_units_and_none_of_the_allocators_own_frames() {
    let held = labelled("export", || black_box(leaks_here()));
    let mut bytes = Vec::new();
    GzDecoder::new(&heap::profile().unwrap().to_pprof()[..]).read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for word in ["inuse_space", "inuse_objects", "bytes", "export", "leaks_here"] {
        assert!(text.contains(word), "{word}");
    }
    for word in ["each_return_address", "HeapProfiler"] {
        assert!(!text.contains(word), "{word}");
    }
    drop(held);
}
