//! Owns the promises of taking a profile: whose time it shows, under which labels.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use routines::Local;
use routines_profile::sampler::ProfileError;
use routines_profile::{Profile, ProfileBuilder, Sample};

use crate::support::SAMPLING;

static TENANT: Local<String> = Local::new().named("tenant").labelled();
static REGION: Local<&str> = Local::new().named("region").labelled();
static COLOUR: Local<&str> = Local::new().named("colour");

/// Calls nothing, so that it is the innermost function also where there are no frame pointers to find others by.
#[inline(never)]
fn labelled_work() {
    let mut n = black_box(0_u64);
    while n < 100_000 {
        n += 1;
    }
    black_box(n);
}

#[inline(never)]
fn unlabelled_work() {
    let mut n = black_box(0_u64);
    while n < 200_000 {
        n += 2;
    }
    black_box(n);
}

/// Profiles until both kinds of work were seen, each done by a thread.
fn profile_of_both(builder: &ProfileBuilder) -> Profile {
    routines_profile::install().expect("the only reader");
    let stopped = Arc::new(AtomicBool::new(false));
    let until_stopped = |work: fn()| {
        let stopped = stopped.clone();
        move || {
            while !stopped.load(Ordering::Relaxed) {
                work()
            }
        }
    };
    let labelled = TENANT.sync_scope("acme".into(), || {
        REGION
            .sync_scope("north", || COLOUR.sync_scope("red", || routines::thread::spawn(until_stopped(labelled_work))))
    });
    let unlabelled = routines::thread::spawn(until_stopped(unlabelled_work));
    let mut profile = builder.run(Duration::from_millis(300)).expect("a profile");
    for _ in 0..50 {
        if ["::labelled_work", "unlabelled_work"].iter().all(|name| profile.samples().iter().any(|s| ran(s, name))) {
            break;
        }
        profile = builder.run(Duration::from_millis(300)).expect("a profile");
    }
    stopped.store(true, Ordering::Relaxed);
    labelled.join().unwrap();
    unlabelled.join().unwrap();
    profile
}

fn ran(sample: &Sample, name: &str) -> bool {
    sample.stack.iter().flat_map(|frame| &frame.calls).any(|call| call.function.ends_with(name))
}

fn labels_of<'a>(profile: &'a Profile, name: &str) -> Vec<&'a [(String, String)]> {
    profile.samples().iter().filter(|sample| ran(sample, name)).map(|sample| sample.labels.as_slice()).collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn work_is_shown_with_the_labels_it_was_done_under_and_other_work_without() {
    let _one = SAMPLING.blocking_lock();
    let profile = profile_of_both(&ProfileBuilder::new());
    let (labelled, unlabelled) = (labels_of(&profile, "::labelled_work"), labels_of(&profile, "unlabelled_work"));
    let expected = [pair("region", "north"), pair("tenant", "acme")];
    assert!(!labelled.is_empty() && labelled.iter().all(|labels| *labels == expected), "{labelled:?}");
    assert!(!unlabelled.is_empty() && unlabelled.iter().all(|labels| labels.is_empty()), "{unlabelled:?}");
}

#[test]
fn chosen_keys_show_alone_and_in_the_order_they_were_chosen() {
    let _one = SAMPLING.blocking_lock();
    let profile = profile_of_both(&ProfileBuilder::new().keys(["tenant", "colour", "region"]));
    let labelled = labels_of(&profile, "::labelled_work");
    let expected = [pair("tenant", "acme"), pair("region", "north")];
    assert!(!labelled.is_empty() && labelled.iter().all(|labels| *labels == expected), "{labelled:?}");
    assert!(profile.to_folded().contains("tenant=acme;region=north;"));
}

#[test]
fn an_impossible_frequency_is_an_error() {
    assert!(matches!(ProfileBuilder::new().frequency(0).run(Duration::ZERO), Err(ProfileError::Frequency(0))));
}
