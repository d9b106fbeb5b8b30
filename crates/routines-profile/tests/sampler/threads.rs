//! Threads come and go while they are sampled.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::*;

alone! {
    fn a_thread_born_during_the_profile_is_counted_from_its_birth() {
        let mut used = Duration::ZERO;
        let samples = sampled(250, 1000, |stop| {
            while !stop.load(Ordering::Relaxed) {
                used += thread::spawn(|| TENANT.sync_scope("acme".into(), || { burn(60); cpu() })).join().expect("no panic");
            }
        });
        assert!(samples.threads >= 3, "{} threads", samples.threads);
        assert_close(weight(of_tenant(&samples, Some("acme"))), used);
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
        // Each may have ended between an expiration and the tick that would have told.
        let (seen, ticks) = (weight(samples.samples.iter()), 100 * Duration::from_millis(10));
        assert!(seen + ticks > used && seen < used + ticks, "the profile says {seen:?}, the clocks {used:?}");
    }
}
