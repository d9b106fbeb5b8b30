//! Promises of the exact heap profile, in a program whose global allocator counts every byte.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::io::Read;
use std::sync::mpsc::channel;
use std::thread;

use flate2::read::GzDecoder;
use routines::Local;
use routines_profile::heap::{self, HeapProfiler, MAX_ACCOUNTS, Usage};

#[global_allocator]
static ALLOCATOR: HeapProfiler = HeapProfiler::exact().keys(&["test"]);

/// Each test has a value of its own, so that they do not see each other's blocks.
static TEST: Local<&str> = Local::new().named("test").labelled();
static NOT_TOLD_APART: Local<String> = Local::new().named("request").labelled();

fn labelled<R>(name: &'static str, f: impl FnOnce() -> R) -> R {
    routines_profile::install().expect("no other reader of labels");
    TEST.sync_scope(name, f)
}

/// What is live of a test, as blocks and bytes.
fn live(name: &str) -> (u64, u64) {
    let Usage { blocks, bytes, .. } = heap::profile().expect("the allocator is a profiler").of("test", name);
    (blocks, bytes)
}

#[test]
fn every_byte_counts_for_its_labels_until_it_is_freed() {
    let held = labelled("bytes", || (1..=100).map(|size| vec![1_u8; size].into_boxed_slice()).collect::<Box<[_]>>());
    let list = size_of_val(&*held) as u64;
    assert_eq!(live("bytes"), (101, 5_050 + list));
    drop(held);
    assert_eq!(live("bytes"), (0, 0));
}

#[test]
fn a_block_freed_on_another_thread_no_longer_counts_for_the_labels_it_was_allocated_for() {
    let (send, receive) = channel::<Vec<u8>>();
    let held: Vec<Vec<u8>> = labelled("elsewhere", || (0..10).map(|_| vec![1; 1_000]).collect());
    let freer = thread::spawn(move || labelled("freer", || receive.into_iter().for_each(drop)));
    held.into_iter().for_each(|block| send.send(block).unwrap());
    drop(send);
    freer.join().unwrap();
    assert_eq!(live("elsewhere"), (0, 0));
}

#[test]
fn a_block_counts_for_who_made_it_grow() {
    let mut held = labelled("before", || Vec::<u8>::with_capacity(1_000));
    labelled("after", || held.reserve_exact(5_000));
    assert_eq!((live("before"), live("after")), ((0, 0), (1, held.capacity() as u64)));
}

#[test]
fn zeroed_and_over_aligned_blocks_are_what_was_asked_for() {
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let (zeroed, page) = labelled("shapes", || (vec![0_u8; 10_000], Box::new(Page([7; 4096]))));
    assert!(zeroed.iter().all(|byte| *byte == 0));
    assert!((&raw const *page).addr() % 4096 == 0 && page.0[4095] == 7);
    assert_eq!(live("shapes"), (2, 14_096));
}

#[test]
#[expect(unsafe_code, reason = "only the allocator's own interface can ask for a block that there is not")]
fn a_block_whose_growth_fails_still_counts() {
    let layout = Layout::from_size_align(1_000, 8).unwrap();
    // SAFETY: the layout is not of size zero.
    let block = labelled("failed", || unsafe { alloc(layout) });
    // SAFETY: from the call above, with its layout.
    let grown = unsafe { realloc(block, layout, isize::MAX as usize - 4096) };
    assert!(grown.is_null());
    assert_eq!(live("failed"), (1, 1_000));
    // SAFETY: it was not moved.
    unsafe { dealloc(block, layout) };
}

#[test]
fn threads_that_end_leave_their_counts_right() {
    let held: Vec<Box<[u8; 100]>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..20).map(|_| scope.spawn(|| labelled("threads", || Box::new([0; 100])))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // What the scope and the threads are made of was allocated without labels, or is freed.
    assert_eq!(live("threads"), (20, 2_000));
    drop(held);
    assert_eq!(live("threads"), (0, 0));
}

#[test]
fn labels_that_are_not_told_apart_open_no_account() {
    let before = heap::profile().unwrap().samples().len();
    let held: Vec<Vec<u8>> = labelled("told apart", || {
        (0..2_000).map(|number| NOT_TOLD_APART.sync_scope(number.to_string(), || vec![1; 10])).collect()
    });
    let profile = heap::profile().unwrap();
    assert!(profile.samples().len() < before + MAX_ACCOUNTS / 2);
    assert!(profile.of("test", "told apart").bytes >= 20_000);
    assert!(profile.samples().iter().all(|sample| sample.labels.iter().all(|(key, _)| *key != "request")));
    drop(held);
}

#[test]
fn the_export_has_what_is_live_and_what_ever_was() {
    labelled("export", || drop(vec![1_u8; 1_000]));
    let mut bytes = Vec::new();
    GzDecoder::new(&heap::profile().unwrap().to_pprof()[..]).read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for word in ["inuse_space", "alloc_space", "inuse_objects", "alloc_objects", "export"] {
        assert!(text.contains(word), "{word}");
    }
}
