//! Owns raw samples as the sampler would have taken them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use routines::Shown;
use routines_profile::record;
use routines_profile::sampler::{RawSample, Samples};
use routines_profile::{Profile, ProfileBuilder};

/// A process makes one CPU profile at a time: hold this meanwhile.
pub(crate) static SAMPLING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub(crate) const MS: u64 = 1_000_000;

/// A sample of `ms` milliseconds, at 1000 Hz, at these addresses, with these labels.
pub(crate) fn sample(pcs: &[usize], ms: u64, labels: &[(&'static str, &str)]) -> RawSample {
    let labels: Vec<_> = labels.iter().map(|&(key, value)| (key, Shown::Str(value))).collect();
    let record = record::build(&labels);
    let labels = if labels.is_empty() { Box::default() } else { record::attrs_of(&record).into() };
    RawSample { pcs: pcs.to_vec(), weight_ns: ms * MS, count: ms, labels, thread: 1 }
}

pub(crate) fn started() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000)
}

pub(crate) fn build(builder: &ProfileBuilder, samples: Vec<RawSample>) -> Profile {
    builder.build(Samples { samples, duration: Duration::from_secs(2), ..Samples::default() }, started())
}

/// The CPU time in ms of each value of a key, alphabetically; samples without the key count as `""`.
pub(crate) fn by_value(profile: &Profile, key: &str) -> Vec<(String, u64)> {
    let mut sums = std::collections::BTreeMap::<String, u64>::new();
    for sample in profile.samples() {
        let value = sample.labels.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value);
        *sums.entry(value.to_owned()).or_default() += sample.cpu.as_millis() as u64;
    }
    sums.into_iter().collect()
}

/// For comparison with [`by_value`].
pub(crate) fn sums(sums: &[(&str, u64)]) -> Vec<(String, u64)> {
    sums.iter().map(|&(value, ms)| (value.to_owned(), ms)).collect()
}
