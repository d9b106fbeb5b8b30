//! Owns what a CPU profile is: samples with names and labels, from raw samples to the forms that viewers read.

mod folded;
pub(crate) mod frame;
mod labels;
mod live;
pub(crate) mod symbols;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use indexmap::IndexMap;

use crate::pprof;
use crate::record;
use crate::sampler::{self, Options, ProfileError, RawSample, Samples};
pub use frame::{Call, Frame, Mapping};
use labels::Shown;
pub use live::routine_profile;
#[cfg(feature = "axum")]
pub(crate) use live::routine_profile_of;
use symbols::Symbols;

/// Not 100, which would fall into step with work that happens each 10 ms.
const FREQUENCY: u32 = 99;
const MAX_VALUES: usize = 1000;

/// Profiles this process for a while: 99 samples for each second of CPU time, all labelled keys.
///
/// Blocks the calling thread for `duration` and then while it looks up names, some tenths of a second for a large program.
/// Labels are those bound since [`install`](crate::install), or since the first profile. From any thread, one at a time in a
/// process; see [`ProfileBuilder::run`] for the errors. Never panics.
///
/// ```no_run
/// use std::time::Duration;
///
/// let profile = routines_profile::profile(Duration::from_secs(10))?;
/// std::fs::write("cpu.pb.gz", profile.to_pprof())?; // go tool pprof -tags cpu.pb.gz
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn profile(duration: Duration) -> Result<Profile, ProfileError> {
    ProfileBuilder::new().run(duration)
}

/// How to take a profile.
///
/// ```no_run
/// use std::time::Duration;
/// use routines_profile::ProfileBuilder;
///
/// let profile = ProfileBuilder::new().frequency(250).keys(["tenant", "route"]).run(Duration::from_secs(5))?;
/// std::fs::write("flames.svg", profile.to_svg())?; // tenant outermost, then route
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "`run` takes the profile"]
pub struct ProfileBuilder {
    frequency: u32,
    pub(crate) shown: Shown,
}

impl Default for ProfileBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ProfileBuilder {
    /// 99 Hz, all labelled keys, 1000 values of each.
    pub const fn new() -> Self {
        Self { frequency: FREQUENCY, shown: Shown { keys: Vec::new(), max_values: MAX_VALUES } }
    }

    /// How many times each second of its CPU time a thread is sampled.
    ///
    /// Timers fire on the system's tick (100 to 1000 a second): asking for more than that costs nothing and tells nothing,
    /// as missed ticks count into the next sample.
    pub const fn frequency(mut self, hertz: u32) -> Self {
        self.frequency = hertz;
        self
    }

    /// The labelled keys to show, by name; in exports without labels they are the outermost frames in this order.
    ///
    /// Keys that were not declared with `labelled()` show nothing. No keys at all means all of them, in the order of their
    /// names.
    pub fn keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.shown.keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// How many values of one key to show.
    ///
    /// Of a key with more values in this profile, those with the most CPU time stay (of equal ones the first by name), and
    /// the samples of all others are labelled `(other)`: time per key still adds up to the total.
    pub const fn max_values(mut self, values: usize) -> Self {
        self.shown.max_values = values;
        self
    }

    /// Takes a profile, as [`profile`](fn@profile) does.
    ///
    /// # Errors
    ///
    /// [`ProfileError`]: when another profiler owns the signal, when one of ours is running, when the system cannot do it.
    pub fn run(&self, duration: Duration) -> Result<Profile, ProfileError> {
        let installed = crate::install();
        let started = SystemTime::now();
        let samples = sampler::run(Options { frequency: self.frequency }, duration)?;
        let mut profile = self.build(samples, started);
        profile.remarks.extend(installed.err().map(|error| format!("no labels: {error}")));
        Ok(profile)
    }

    /// The profile of samples that [`sampler::run`] took in this process: adds up equal ones, looks up names, chooses
    /// labels.
    ///
    /// Never panics; costs what reading the program's debug information costs.
    pub fn build(&self, samples: Samples, started: SystemTime) -> Profile {
        let (mut symbols, duration, remarks) = (Symbols::read(), samples.duration, remarks(&samples));
        let mut sums = IndexMap::<_, (u64, u64)>::new();
        for RawSample { pcs, labels, count, weight_ns, .. } in samples.samples {
            let sum = sums.entry((pcs, labels)).or_default();
            *sum = (sum.0 + count, sum.1 + weight_ns);
        }
        let samples = sums.into_iter().map(|((pcs, labels), (count, nanos))| Sample {
            stack: stack(&pcs, &mut symbols),
            labels: record::attrs(&labels).map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            count,
            cpu: Duration::from_nanos(nanos),
            kind: Kind::Cpu,
        });
        let mut profile = Profile {
            samples: samples.collect(),
            kind: Kind::Cpu,
            started,
            duration,
            frequency: self.frequency,
            program: symbols.program().cloned(),
            remarks,
        };
        profile.limit(&self.shown);
        profile
    }
}

/// All but the innermost address are where a call returns to: the call itself is before it.
fn stack(pcs: &[usize], symbols: &mut Symbols) -> Vec<Arc<Frame>> {
    pcs.iter()
        .enumerate()
        .map(|(depth, &pc)| symbols.frame(if depth == 0 { pc } else { pc.saturating_sub(1) }))
        .collect()
}

/// What the reader must know of samples that are not there.
fn remarks(samples: &Samples) -> Vec<String> {
    let lost = (samples.lost > 0)
        .then(|| format!("{} periods of CPU time are missing: there was no room for them", samples.lost));
    let untimed = (samples.untimed > 0).then(|| {
        format!(
            "{} threads were not sampled: the limit of pending signals (ulimit -i) left no timers for them",
            samples.untimed
        )
    });
    lost.into_iter().chain(untimed).collect()
}

/// A profile: where time went, or where routines come from.
#[derive(Debug, Clone)]
pub struct Profile {
    samples: Vec<Sample>,
    kind: Kind,
    started: SystemTime,
    duration: Duration,
    frequency: u32,
    program: Option<Arc<Mapping>>,
    remarks: Vec<String>,
}

/// What was seen with one stack and one set of labels.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sample {
    /// The stack, the innermost frame first.
    pub stack: Vec<Arc<Frame>>,
    /// The labels as (key, value).
    pub labels: Vec<(String, String)>,
    /// How many times it was seen; in a profile of routines, how many there are.
    pub count: u64,
    /// The CPU time it stands for; zero in a profile of routines.
    pub cpu: Duration,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cpu,
    Routines,
}

impl Sample {
    fn weight(&self) -> u64 {
        match self.kind {
            Kind::Cpu => nanos(self.cpu),
            Kind::Routines => self.count,
        }
    }
}

impl Profile {
    /// The samples: equal stacks with equal labels are one.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The profile as gzipped protobuf, for `go tool pprof` and all that reads its format.
    ///
    /// Labels are labels: `-tags` sums them up, `-tagfocus=tenant=acme` selects, `-tagroot=tenant` makes them frames.
    pub fn to_pprof(&self) -> Vec<u8> {
        self.encode(|sample| (sample.stack.clone(), sample.labels.clone()))
    }

    /// The same for viewers that ignore labels and inlined calls, as speedscope: each is a frame, labels outermost.
    pub fn to_pprof_labels_as_frames(&self) -> Vec<u8> {
        self.encode(|sample| {
            let labels = sample.labels.iter().rev().map(|(key, value)| Frame::synthetic(format!("{key}={value}")));
            (sample.stack.iter().flat_map(Frame::apart).chain(labels).collect(), Vec::new())
        })
    }

    /// A flame graph that needs nothing but itself: labels outermost, width is CPU time or the number of routines.
    pub fn to_svg(&self) -> String {
        folded::svg(self)
    }

    /// Folded stacks, one a line, labels outermost, each with how many periods of CPU time or how many routines it stands
    /// for.
    pub fn to_folded(&self) -> String {
        folded::folded(self)
    }

    fn encode(&self, split: impl Fn(&Sample) -> (Vec<Arc<Frame>>, Vec<(String, String)>)) -> Vec<u8> {
        let mut builder = match self.kind {
            Kind::Cpu => {
                let period = 1_000_000_000 / i64::from(self.frequency.max(1));
                let mut builder = pprof::Builder::new(
                    &[("samples", "count"), ("cpu", "nanoseconds")],
                    ("cpu", "nanoseconds"),
                    period,
                );
                builder.default_type("cpu");
                builder
            }
            Kind::Routines => pprof::Builder::new(&[("routine", "count")], ("routine", "count"), 1),
        };
        builder.time(self.started, self.duration);
        self.program.iter().for_each(|program| {
            builder.mapping(program);
        });
        self.remarks.iter().for_each(|remark| builder.comment(remark));
        for sample in &self.samples {
            let (stack, labels) = split(sample);
            let values = [int(sample.count), int(nanos(sample.cpu))];
            let values = if self.kind == Kind::Cpu { &values[..] } else { &values[..1] };
            builder.add(&stack, values, labels.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        }
        builder.finish()
    }

    /// Leaves the labels that are to be shown, and makes one of samples that no longer differ.
    fn limit(&mut self, shown: &Shown) {
        self.samples.iter_mut().for_each(|sample| shown.select(&mut sample.labels));
        self.remarks.extend(shown.bound(&mut self.samples));
        let mut merged = IndexMap::<_, Sample>::new();
        for sample in std::mem::take(&mut self.samples) {
            let (count, cpu) = (sample.count, sample.cpu);
            let key = (sample.stack.clone(), sample.labels.clone());
            merged
                .entry(key)
                .and_modify(|same| (same.count, same.cpu) = (same.count + count, same.cpu + cpu))
                .or_insert(sample);
        }
        self.samples = merged.into_values().collect();
    }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}

fn int(value: u64) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
