//! Threads come and go while they are sampled.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::*;

alone! {
    fn a_thread_born_during_the_profile_is_counted_from_its_birth() {
        let (used, numbers) = (AtomicU64::new(0), Mutex::new(HashSet::new()));
        let samples = sampled(1000, 1500, |stop| {
            thread::scope(|scope| {
                // Each has done most of its work when it is found, and lives on.
                let live = || {
                    TENANT.sync_scope("acme".into(), || burn(5));
                    used.fetch_add(cpu().as_nanos() as u64, Ordering::Relaxed);
                    numbers.lock().expect("no panic").insert(thread_number());
                    while !stop.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(200));
                    }
                };
                for _ in 0..40 {
                    scope.spawn(live);
                    thread::sleep(Duration::from_millis(20));
                }
            });
        });
        assert!(samples.threads >= 40, "{} threads", samples.threads);
        let used = Duration::from_nanos(used.into_inner());
        let numbers = numbers.into_inner().expect("no panic");
        let seen = weight(samples.samples.iter().filter(|sample| numbers.contains(&sample.thread)));
        assert!(seen > used.mul_f64(0.5), "the profile says {seen:?}, the clocks {used:?}");
    }

    fn threads_that_end_while_being_sampled_end_nothing_else() {
        let mut ended = 0;
        let samples = sampled(1000, 1500, |stop| {
            while !stop.load(Ordering::Relaxed) {
                let threads: Vec<_> =
                    (1..5).map(|id| thread::spawn(move || TENANT.sync_scope("acme".into(), || burn(3 * id)))).collect();
                ended += threads.into_iter().map(|thread| thread.join().expect("no panic")).count();
            }
        });
        assert!(ended >= 8, "{ended} threads");
        assert!(!weight(samples.samples.iter()).is_zero());
    }

    fn a_hundred_threads_are_all_timed() {
        let mut used = Duration::ZERO;
        let start = Barrier::new(101);
        let stop = AtomicBool::new(false);
        let samples = thread::scope(|scope| {
            let burner = || {
                start.wait();
                burn_until(&stop)
            };
            let threads: Vec<_> = (0..100).map(|_| scope.spawn(burner)).collect();
            let samples = sampled(99, 1500, |_| start.wait());
            stop.store(true, Ordering::Relaxed);
            used = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
            samples
        });
        assert!(samples.threads >= 102, "{} threads", samples.threads);
        let seen = weight(samples.samples.iter());
        assert!(!seen.is_zero() && seen < used + Duration::from_secs(1), "the profile says {seen:?}, the clocks {used:?}");
    }
}
