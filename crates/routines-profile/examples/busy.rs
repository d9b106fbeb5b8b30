//! Two threads use known processor time for two tenants: what the profile says of each, and what the threads' clocks say.
//!
//! `cargo run -p routines-profile --example busy [SECONDS [FREQUENCY]]`

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, error, hint, thread};

use routines::Local;
use routines_profile::{record, sampler};

static TENANT: Local<String> = Local::new().named("tenant").labelled();

fn main() -> Result<(), Box<dyn error::Error>> {
    let mut arguments = env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(2.0), |text| text.parse())?;
    let frequency = arguments.next().map_or(Ok(99), |text| text.parse())?;
    routines_profile::install()?;

    let (stop, start) = (AtomicBool::new(false), Barrier::new(3));
    let (samples, used) = thread::scope(|scope| {
        let burner = |name: &'static str, share| {
            let (stop, start) = (&stop, &start);
            scope.spawn(move || TENANT.sync_scope(name.into(), || burn(share, start, stop)))
        };
        let burners = [("acme", burner("acme", 100)), ("globex", burner("globex", 25))];
        start.wait();
        let samples = sampler::run(sampler::Options { frequency }, Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
        (samples, burners.map(|(name, burner)| (name, burner.join().expect("burns without a panic"))))
    });
    let samples = samples?;

    let mut weights = BTreeMap::<String, u64>::new();
    for sample in &samples.samples {
        let tenant = record::attrs(&sample.labels).find(|(name, _)| *name == "tenant");
        *weights.entry(tenant.map_or("none", |(_, tenant)| tenant).into()).or_default() += sample.weight_ns;
    }
    let depth = samples.samples.iter().map(|sample| sample.pcs.len()).max().unwrap_or(0);
    println!("{} places, deepest {depth}, {} lost, {} threads", samples.samples.len(), samples.lost, samples.threads);
    for (name, used) in used {
        let seen = Duration::from_nanos(weights.get(name).copied().unwrap_or(0));
        println!("{name}: clock {used:?}, profile {seen:?}, ratio {:.3}", seen.as_secs_f64() / used.as_secs_f64());
    }
    println!("no tenant: {:?}", Duration::from_nanos(weights.get("none").copied().unwrap_or(0)));
    Ok(())
}

/// Computes for `share` of each 100 ms, from `start` to `stop`; the processor time used.
fn burn(share: u64, start: &Barrier, stop: &AtomicBool) -> Duration {
    start.wait();
    let before = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    while !stop.load(Ordering::Relaxed) {
        let turn = Instant::now();
        while turn.elapsed() < Duration::from_millis(share) && !stop.load(Ordering::Relaxed) {
            (0..1000).for_each(|number| {
                hint::black_box(number);
            });
        }
        thread::sleep(Duration::from_millis(100 - share));
    }
    let after = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::from_nanos(((after.tv_sec - before.tv_sec) * 1_000_000_000 + (after.tv_nsec - before.tv_nsec)) as u64)
}
