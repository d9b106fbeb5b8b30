//! What the heap profile promises of processes that fork: a program of its own, as forks take long in one that does much else.
#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use routines_profile::heap::{self, HeapProfiler};

#[global_allocator]
static ALLOCATOR: HeapProfiler = HeapProfiler::sampled(PERIOD);
const PERIOD: usize = 1024;

fn live() -> u64 {
    heap::profile().expect("the allocator is a profiler").total().bytes
}

#[test]
#[expect(unsafe_code, reason = "only the system's own call forks without running another program")]
fn a_child_of_a_process_whose_other_threads_allocate_and_profile_can_do_so_too() {
    let (stop, mut codes) = (AtomicBool::new(false), Vec::new());
    let held: Vec<_> = (0..5_000).map(|_| vec![1_u8; 4 * PERIOD]).collect();
    thread::scope(|scope| {
        for work in [|| drop(heap::profile()), || drop(heap::profile()), || drop(vec![1_u8; 10 * PERIOD])] {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    work();
                }
            });
        }
        for _ in 0..30 {
            // SAFETY: what the child does before it ends is what this test is about.
            match unsafe { libc::fork() } {
                0 => {
                    let held = vec![1_u8; 10_000 * PERIOD];
                    let well = live() >= held.len() as u64;
                    // SAFETY: ends the child at once: it has no threads to wait for.
                    unsafe { libc::_exit(if well { 7 } else { 1 }) }
                }
                child => codes.push(exit_code(child)),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(codes, [Some(7); 30]);
    drop(held);
}

/// How the child ended; `None`: it did not within three seconds, and was killed.
#[expect(unsafe_code, reason = "only the system's own call waits for what was forked")]
fn exit_code(child: libc::pid_t) -> Option<i32> {
    for _ in 0..300 {
        let mut status = 0;
        // SAFETY: the status is ours, and the child is this process's.
        if unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } == child {
            return Some(libc::WEXITSTATUS(status));
        }
        // The child is another process, which cannot tell when it is done but by ending.
        thread::sleep(std::time::Duration::from_millis(10));
    }
    // SAFETY: the child is this process's, and was not waited for.
    unsafe { libc::kill(child, libc::SIGKILL) };
    None
}
