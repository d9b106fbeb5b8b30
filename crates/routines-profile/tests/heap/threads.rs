//! Promises about threads, their ends, and processes that fork.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use routines_profile::heap;

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

#[cfg(target_os = "linux")]
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
                    let held = labelled("child", || vec![1_u8; 100 * PERIOD]);
                    let well = live("child").bytes == held.len() as u64;
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
#[cfg(target_os = "linux")]
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
