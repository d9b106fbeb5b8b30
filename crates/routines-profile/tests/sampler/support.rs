//! Owns what the tests share: a process for each, and work of known processor time.

use std::env;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use routines::Local;
use routines_profile::record;
use routines_profile::sampler::{self, Options, RawSample, Samples};
use rustix::time::{ClockId, clock_gettime};

use crate::raw::{self, Does};

pub(crate) static TENANT: Local<String> = Local::new().named("tenant").labelled();

/// Longer than any test takes.
const PATIENCE: Duration = Duration::from_secs(60);
static TURN: Mutex<()> = Mutex::new(());
const CHILD: &str = "ROUTINES_SAMPLER_TEST";

/// A test with a process of its own: a profile is the process's, and what kills it must not kill the other tests.
macro_rules! alone {
    ($(fn $name:ident() $body:block)*) => {$(
        #[test]
        fn $name() {
            $crate::support::alone(concat!(module_path!(), "::", stringify!($name)), || $body);
        }
    )*};
}

pub(crate) fn alone(path: &str, body: fn()) {
    if env::var_os(CHILD).is_some() {
        routines_profile::install().expect("nobody else reads labels");
        return body();
    }
    let (_, test) = path.split_once("::").expect("a module within this crate");
    // One after the other: what one burns, another would be timed beside.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let program = env::current_exe().expect("the path of this program");
    let mut child = Command::new(program)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .stdout(Stdio::inherit())
        .spawn()
        .expect("the same program starts");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            break status;
        }
        if started.elapsed() > PATIENCE {
            child.kill().expect("a child to end");
            panic!("{test} hangs");
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{test}: {status}");
}

/// Takes samples while `work` runs, which ends soon after the flag is set.
pub(crate) fn sampled<R>(frequency: u32, millis: u64, work: impl FnOnce(&AtomicBool) -> R) -> Samples {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let profile = scope.spawn(|| {
            let samples = sampler::run(Options { frequency }, Duration::from_millis(millis));
            stop.store(true, Ordering::Relaxed);
            samples
        });
        while raw::disposition() != Does::Else && !stop.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        work(&stop);
        profile.join().expect("a profile without a panic").expect("a profile")
    })
}

/// Computes until the flag is set; the processor time it took.
pub(crate) fn burn_until(stop: &AtomicBool) -> Duration {
    let before = cpu();
    while !stop.load(Ordering::Relaxed) {
        spin();
    }
    cpu() - before
}

/// Computes for so much processor time.
pub(crate) fn burn(millis: u64) {
    let end = cpu() + Duration::from_millis(millis);
    while cpu() < end {
        spin();
    }
}

pub(crate) fn spin() {
    for number in 0..1000 {
        std::hint::black_box(number);
    }
}

/// The processor time of the calling thread.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

pub(crate) fn thread_number() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// The samples whose tenant it is; `None`: those without.
pub(crate) fn of_tenant<'s>(samples: &'s Samples, tenant: Option<&str>) -> impl Iterator<Item = &'s RawSample> {
    let tenant = tenant.map(str::to_owned);
    samples.samples.iter().filter(move |sample| {
        record::attrs(&sample.labels).find(|(name, _)| *name == "tenant").map(|(_, tenant)| tenant) == tenant.as_deref()
    })
}

pub(crate) fn weight<'s>(samples: impl Iterator<Item = &'s RawSample>) -> Duration {
    Duration::from_nanos(samples.map(|sample| sample.weight_ns).sum())
}

/// Within a quarter and what a busy machine takes between two steps of a test; that the sums are right is seen at longer runs, by the
/// example `busy`.
#[track_caller]
pub(crate) fn assert_close(seen: Duration, used: Duration) {
    let slack = used.mul_f64(0.25) + Duration::from_millis(60);
    assert!(seen + slack >= used && seen <= used + slack, "the profile says {seen:?}, the clock {used:?}");
}
