//! Signals at any moment, from anybody, in any number.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::raw;
use crate::support::*;

/// Sends as many as it can, from a thread of this process.
fn storm(stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        raw::kill(std::process::id());
        sent += 1;
    }
    sent
}

alone! {
    fn a_storm_of_foreign_signals_is_no_sample_and_loses_none() {
        let (mut used, mut sent) = (Duration::ZERO, 0);
        let samples = sampled(250, 1000, |stop| {
            thread::scope(|scope| {
                scope.spawn(|| sent = storm(stop));
                used = TENANT.sync_scope("acme".into(), || burn_until(stop));
            });
        });
        assert!(sent > 5_000, "{sent} are no storm");
        assert_eq!(samples.lost, 0);
        assert_close(weight(of_tenant(&samples, Some("acme"))), used);
    }

    fn a_storm_from_another_process_that_outlasts_the_profile_ends_nothing() {
        sampled(99, 10, |_| {});
        let victim = std::process::id();
        let attacker = thread::spawn(move || raw::fork(|| {
            (0..50_000).for_each(|_| raw::kill(victim));
            0
        }));
        while !attacker.is_finished() {
            sampled(1000, 30, burn_until);
        }
        assert_eq!(attacker.join().expect("no panic"), 0);
    }

    fn a_blocked_read_goes_on_after_signals() {
        let (mut from, mut to) = std::io::pipe().expect("a pipe");
        sampled(99, 300, |stop| {
            thread::scope(|scope| {
                let (number, reader_number) = mpsc::channel();
                let reader = scope.spawn(move || {
                    number.send(thread_number()).expect("the test listens");
                    from.read(&mut [0; 8])
                });
                let reader_number = reader_number.recv().expect("a reader");
                while !stop.load(Ordering::Relaxed) {
                    raw::kill_thread(reader_number);
                    thread::yield_now();
                }
                to.write_all(b"x").expect("a reader");
                assert_eq!(reader.join().expect("no panic").expect("not interrupted"), 1);
            });
        });
    }

    fn memory_is_allocated_and_freed_while_being_sampled() {
        sampled(1000, 500, |stop| {
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| while !stop.load(Ordering::Relaxed) {
                        let texts: Vec<String> = (0..100).map(|number| format!("{number:0200}")).collect();
                        TENANT.sync_scope(texts.concat(), spin);
                    });
                }
            });
        });
    }
}

#[cfg(target_arch = "x86_64")]
alone! {
    fn errno_is_the_program_s_own() {
        sampled(1000, 800, |stop| {
            let here = std::ptr::from_ref(&stop) as usize & !7;
            let mut value = 1;
            while !stop.load(Ordering::Relaxed) {
                value = value % 100 + 1;
                raw::set_errno(value);
                // What the handler cannot read sets `errno` there.
                raw::with_frame_pointer(here + (value as usize % 8) * (1 << 20), 200_000);
                assert_eq!(raw::errno(), value);
            }
        });
    }
}
