//! Forks and new images, while the process is being sampled.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use routines_profile::sampler::{self, Options};

use crate::raw;
use crate::support::*;

alone! {
    fn a_fork_is_not_sampled_and_leaves_the_parent_s_profile_alone() {
        let mut used = Duration::ZERO;
        let samples = sampled(500, 800, |stop| {
            let before = cpu();
            while !stop.load(Ordering::Relaxed) {
                burn(20);
                // The fork has the handler and is sent the signal: neither ends it nor counts.
                let status = raw::fork(|| {
                    TENANT.sync_scope("fork".into(), || burn(20));
                    raw::kill(std::process::id());
                    7
                });
                assert_eq!(status, 7);
            }
            used = cpu() - before;
        });
        assert_eq!(of_tenant(&samples, Some("fork")).count(), 0);
        assert_close(weight(samples.samples.iter()), used);
    }

    fn a_fork_of_a_sampled_process_makes_a_profile_of_its_own() {
        sampled(500, 1000, |_| {
            burn(30);
            let status = raw::fork(|| {
                let samples = sampled(500, 500, |stop| TENANT.sync_scope("fork".into(), || burn_until(stop)));
                weight(of_tenant(&samples, Some("fork"))).as_millis().min(100) as i32
            });
            assert!((1..=100).contains(&status), "{status}");
        });
    }

    fn children_started_all_the_time_live() {
        sampled(1000, 600, |stop| {
            thread::scope(|scope| {
                scope.spawn(|| burn_until(stop));
                while !stop.load(Ordering::Relaxed) {
                    assert!(Command::new("true").status().expect("`true` starts").success());
                }
            });
        });
    }

    fn a_new_image_in_the_place_of_a_sampled_one_lives() {
        for _ in 0..20 {
            let status = raw::fork(|| {
                // Threads that are being sampled at full rate, one of them with a signal held back, when the image is replaced.
                thread::spawn(|| sampler::run(Options { frequency: 1000 }, Duration::from_secs(30)));
                thread::spawn(|| burn(10_000));
                raw::hold_back(true);
                burn(30);
                let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 7";
                drop(Command::new("sh").args(["-c", script]).exec());
                1
            });
            assert_eq!(status, 7);
        }
    }
}
