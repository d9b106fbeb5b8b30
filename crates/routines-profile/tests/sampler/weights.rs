//! The sum of the weights is the processor time that was used, for each label and each thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use routines_profile::sampler::{self, Options, ProfileError};

use crate::support::*;

alone! {
    fn the_time_of_each_label_is_what_the_thread_s_clock_says() {
        let mut used = [Duration::ZERO; 2];
        let samples = sampled(99, 1000, |stop| {
            let [acme, globex] = &mut used;
            thread::scope(|scope| {
                scope.spawn(|| *acme = TENANT.sync_scope("acme".into(), || burn_until(stop)));
                scope.spawn(|| *globex = TENANT.sync_scope("globex".into(), || burn_until(stop)));
            });
        });
        assert_eq!((samples.lost, samples.untimed), (0, 0));
        for (tenant, used) in ["acme", "globex"].into_iter().zip(used) {
            assert_close(weight(of_tenant(&samples, Some(tenant))), used);
        }
        assert!(weight(of_tenant(&samples, None)) < Duration::from_millis(100));
    }

    fn the_time_of_one_thread_is_split_by_the_label_it_had_then() {
        let mut used = [Duration::ZERO; 3];
        let samples = sampled(250, 1000, |stop| {
            while !stop.load(Ordering::Relaxed) {
                let before = cpu();
                TENANT.sync_scope("acme".into(), || burn(13));
                let between = cpu();
                TENANT.sync_scope("globex".into(), || burn(5));
                let after = cpu();
                burn(5);
                for (sum, part) in used.iter_mut().zip([between - before, after - between, cpu() - after]) {
                    *sum += part;
                }
            }
        });
        for (tenant, used) in [Some("acme"), Some("globex"), None].into_iter().zip(used) {
            assert_close(weight(of_tenant(&samples, tenant)), used);
        }
    }

    fn a_higher_frequency_than_the_kernel_s_ticks_gives_the_same_sum() {
        let mut used = Duration::ZERO;
        let samples = sampled(1000, 1000, |stop| used = burn_until(stop));
        assert_close(weight(samples.samples.iter()), used);
        assert!(samples.samples.iter().all(|sample| sample.weight_ns == sample.count * 1_000_000));
    }

    fn equal_samples_are_one_and_their_counts_add_up() {
        let samples = sampled(500, 300, burn_until);
        let places: std::collections::HashSet<_> =
            samples.samples.iter().map(|sample| (&sample.pcs, &sample.labels, sample.thread)).collect();
        assert_eq!(places.len(), samples.samples.len());
    }

    fn a_thread_that_waits_has_no_samples() {
        let (waiting, number) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let waits = thread::spawn(move || {
            waiting.send(thread_number()).expect("the test listens");
            let _ = ended.recv();
        });
        let number = number.recv().expect("a thread that waits");
        let samples = sampled(1000, 200, burn_until);
        drop(end);
        waits.join().expect("no panic");
        assert!(weight(samples.samples.iter().filter(|sample| sample.thread == number)) <= Duration::from_millis(5));
    }

    fn what_was_used_before_the_profile_is_not_in_it() {
        burn(300);
        let samples = sampled(99, 50, |stop| while !stop.load(Ordering::Relaxed) { thread::yield_now() });
        assert!(weight(samples.samples.iter()) < Duration::from_millis(150));
    }

    fn a_thread_that_no_routine_ran_on_has_no_labels() {
        let stranger = AtomicBool::new(false);
        let mut number = 0;
        let samples = sampled(500, 300, |stop| {
            thread::scope(|scope| {
                scope.spawn(|| { number = thread_number(); burn_until(stop) });
                TENANT.sync_scope("acme".into(), || burn_until(stop));
            });
            stranger.store(true, Ordering::Relaxed);
        });
        let of_stranger = || samples.samples.iter().filter(|sample| sample.thread == number);
        assert!(of_stranger().count() > 0);
        assert!(of_stranger().all(|sample| sample.labels.is_empty()));
    }

    fn a_frequency_out_of_range_is_refused() {
        for frequency in [0, 1001] {
            let refused = sampler::run(Options { frequency }, Duration::ZERO);
            assert!(matches!(refused, Err(ProfileError::Frequency(told)) if told == frequency));
        }
    }
}
