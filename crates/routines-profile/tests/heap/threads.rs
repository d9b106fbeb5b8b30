//! Promises about threads, their ends, and processes that fork.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use super::{PERIOD, assert_near, labelled, live};

#[test]
fn a_block_freed_on_another_thread_is_gone() {
    let (send, receive) = channel::<Vec<u8>>();
    let freer = thread::spawn(move || receive.into_iter().for_each(drop));
    labelled("elsewhere", || (0..200).for_each(|_| send.send(vec![1; 20 * PERIOD]).unwrap()));
    drop(send);
    freer.join().unwrap();
    assert_eq!(held_in_large_blocks("elsewhere"), 0);
}

/// Without what the channel keeps.
fn held_in_large_blocks(name: &str) -> usize {
    super::samples(name).iter().filter(|sample| sample.live.bytes >= 20 * PERIOD as u64).count()
}

#[test]
fn many_threads_that_allocate_at_once_and_end_are_all_counted() {
    const THREADS: usize = 8;
    const EACH: usize = 200_000;
    let allocate =
        || labelled("threads", || (0..EACH / 100).map(|_| vec![1_u8; 100].into_boxed_slice()).collect::<Vec<_>>());
    let held: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(allocate)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let lists: usize = held.iter().map(|list: &Vec<_>| list.capacity() * size_of::<Box<[u8]>>()).sum();
    let truth = (THREADS * EACH + lists) as u64;
    assert_near(live("threads").bytes, truth, truth / PERIOD as u64);
    drop(held);
    assert_eq!(live("threads").bytes, 0);
}

#[test]
fn the_destructors_of_a_threads_locals_may_allocate_and_free() {
    struct Last(Vec<u8>);
    impl Drop for Last {
        fn drop(&mut self) {
            let another = vec![self.0[0]; 50 * PERIOD];
            self.0 = another.clone();
        }
    }
    thread_local!(static LAST: Last = Last(vec![1; 50 * PERIOD]));
    thread::spawn(|| labelled("exit", || LAST.with(|last| assert_eq!(last.0.len(), 50 * PERIOD)))).join().unwrap();
    assert_eq!(live("exit").bytes, 0);
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn a_cpu_profile_taken_meanwhile_neither_allocates_in_its_signal_handler_nor_waits_for_this_one() {
    use routines_profile::sampler::{self, Options};

    let stop = AtomicBool::new(false);
    let samples = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    labelled("signals", || drop((0..100).map(|_| vec![1_u8; 100]).collect::<Vec<_>>()));
                }
            });
        }
        let samples = sampler::run(Options { frequency: 1_000 }, std::time::Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
        samples.expect("nobody else takes a profile").samples
    });
    assert!(!samples.is_empty());
    assert_eq!((super::watched::interrupting(), live("signals").bytes), (0, 0));
}
