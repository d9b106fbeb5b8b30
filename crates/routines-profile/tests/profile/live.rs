//! Owns the promises about the profile of live routines.

use std::sync::{Arc, Barrier, Mutex, mpsc};

use routines::Local;
use routines_profile::{Profile, routine_profile};

use crate::decode::{Sample, decode};

static BATCH: Local<String> = Local::new().named("batch");
static UNNAMED: Local<String> = Local::new();

/// Runs `check` while `count` threads wait that were started on one line, each with a value of `batch`.
fn while_waiting(value: &str, count: usize, check: impl FnOnce(&Profile, &str)) {
    let (done, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let started = Arc::new(Barrier::new(count + 1));
    let mut place = String::new();
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let (wait, started) = (wait.clone(), started.clone());
            place = format!("{}:{}", file!(), line!() + 2);
            BATCH.sync_scope(value.to_owned(), || {
                routines::thread::spawn(move || {
                    started.wait();
                    assert!(wait.lock().unwrap().recv().is_err());
                })
            })
        })
        .collect();
    started.wait();
    check(&routine_profile(), &place);
    drop(done);
    threads.into_iter().for_each(|thread| drop(thread.join()));
}

fn of_batch<'a>(samples: &'a [Sample], value: &str) -> Vec<&'a Sample> {
    samples.iter().filter(|sample| sample.labels.get("batch").is_some_and(|batch| batch == value)).collect()
}

#[test]
fn routines_of_one_place_state_and_values_are_counted_together() {
    while_waiting("together", 3, |profile, place| {
        let profile = decode(&profile.to_pprof());
        assert_eq!(profile.types, [("routine".to_owned(), "count".to_owned())]);
        let samples = of_batch(&profile.samples, "together");
        assert_eq!(samples.len(), 1, "{samples:?}");
        assert_eq!(samples[0].values, [3]);
        assert_eq!(samples[0].functions()[0], place);
        assert_eq!(samples[0].labels["kind"], "thread");
        assert_eq!(samples[0].labels["state"], "running");
    });
}

#[test]
fn different_values_are_different_samples() {
    while_waiting("one", 1, |_, _| {
        while_waiting("other", 2, |profile, _| {
            let samples = decode(&profile.to_pprof()).samples;
            assert_eq!(of_batch(&samples, "one")[0].values, [1]);
            assert_eq!(of_batch(&samples, "other")[0].values, [2]);
        });
    });
}

#[test]
fn below_a_routine_stand_its_parents() {
    let outer = routines::thread::spawn(|| {
        BATCH.sync_scope("below".into(), || {
            let inner = routines::thread::spawn(|| decode(&routine_profile().to_pprof()).samples);
            inner.join().unwrap()
        })
    });
    let place = format!("{}:{}", file!(), line!() - 6);
    let samples = outer.join().unwrap();
    let inner = of_batch(&samples, "below").into_iter().max_by_key(|sample| sample.stack.len()).unwrap();
    let functions = inner.functions();
    assert_ne!(functions[0], place);
    assert_eq!(functions[1], place, "{functions:?}");
}

#[test]
fn unnamed_values_do_not_show() {
    UNNAMED.sync_scope("not to be seen".into(), || {
        let profile = routine_profile();
        assert!(!profile.to_folded().contains("not to be seen"));
    });
}
