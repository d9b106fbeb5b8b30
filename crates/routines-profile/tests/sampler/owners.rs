//! The signal has one owner: others are refused, left alone, and not harmed when we are done.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use routines_profile::sampler::{self, Options, ProfileError};

use crate::raw::{self, Does};
use crate::support::*;

fn short() -> Result<sampler::Samples, ProfileError> {
    sampler::run(Options::default(), Duration::from_millis(30))
}

alone! {
    fn somebody_else_s_handler_is_left_in_place_and_the_profile_refused() {
        raw::count_signals();
        assert!(matches!(short(), Err(ProfileError::SignalTaken)));
        assert_eq!(raw::disposition(), Does::Counted);
        raw::kill(std::process::id());
        while raw::COUNTED.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        raw::ignore_signals();
        assert!(short().is_ok(), "a refusal leaves nothing behind");
    }

    fn a_handler_installed_during_a_profile_ends_it_and_stays() {
        let refused = thread::scope(|scope| {
            let profile = scope.spawn(|| sampler::run(Options::default(), Duration::from_secs(30)));
            while raw::disposition() != Does::Else {
                thread::yield_now();
            }
            raw::count_signals();
            profile.join().expect("no panic")
        });
        assert!(matches!(refused, Err(ProfileError::SignalTaken)));
        assert_eq!(raw::disposition(), Does::Counted);
    }

    fn there_is_one_profile_at_a_time() {
        sampled(99, 300, |_| {
            assert!(matches!(short(), Err(ProfileError::Busy)));
        });
        assert!(short().is_ok());
    }

    fn where_there_are_no_timers_the_profile_is_refused_with_the_reason() {
        raw::forbid_timers();
        let Err(refused) = short() else { panic!("a profile without timers") };
        assert!(matches!(&refused, ProfileError::System { call: "timer_create", .. }), "{refused}");
        assert_ne!(raw::disposition(), Does::Else, "the handler is gone");
    }

    fn a_signal_after_the_profile_does_not_end_the_process() {
        assert_eq!(raw::disposition(), Does::Default);
        sampled(1000, 100, burn_until);
        assert_eq!(raw::disposition(), Does::Ignored);
        raw::kill(std::process::id());
    }

    fn a_thread_that_holds_the_signal_back_past_the_end_is_not_ended_by_it() {
        raw::hold_back(true);
        sampled(1000, 100, burn_until);
        raw::hold_back(false);
        burn(20);
        assert!(short().is_ok());
    }

    fn a_thread_that_holds_the_signal_back_is_sampled_when_it_lets_it_in() {
        let mut used = Duration::ZERO;
        let samples = sampled(500, 600, |stop| {
            let before = cpu();
            while !stop.load(Ordering::Relaxed) {
                raw::hold_back(true);
                burn(40);
                raw::hold_back(false);
            }
            used = cpu() - before;
        });
        assert_close(weight(samples.samples.iter()), used);
    }

    fn one_profile_follows_another_and_each_has_its_own_samples() {
        let mut sum = Duration::ZERO;
        for _ in 0..10 {
            let mut used = Duration::ZERO;
            let samples = sampled(1000, 60, |stop| used = burn_until(stop));
            let seen = weight(samples.samples.iter());
            assert!(seen <= used + Duration::from_millis(40), "{seen:?} of {used:?}");
            sum += seen;
        }
        assert!(!sum.is_zero());
        assert_eq!(timers(), 0);
    }
}

/// The timers this process has.
fn timers() -> usize {
    // Kernels without checkpoints do not tell; no timer is then told as none.
    std::fs::read_to_string("/proc/self/timers")
        .map_or(0, |timers| timers.lines().filter(|line| line.starts_with("ID:")).count())
}
