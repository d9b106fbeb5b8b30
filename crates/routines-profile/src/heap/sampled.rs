//! Owns sampling: which blocks, what is noted of them, and how the samples are scaled to all blocks.

use std::collections::HashMap;
use std::sync::Arc;

use super::live::{self, Sample};
use super::thread::{self, Busy};
use super::{Config, HeapSample, Usage, filter, stack};
use crate::record::{self, MAX_ATTRS};

/// Called with each new block's address, 0 if there is none.
#[inline]
pub(crate) fn allocated(address: usize, size: usize, config: &Config, period: usize) {
    if thread::spend(size) {
        consider(address, size, config, period);
    }
}

#[cold]
#[inline(never)]
fn consider(address: usize, size: usize, config: &Config, period: usize) {
    let Some(_busy) = Busy::enter() else { return };
    if !thread::is_due(*config, period) || address == 0 {
        return;
    }
    let mut attrs = [0; MAX_ATTRS];
    let len = record::copy_attrs(&mut attrs);
    let sample = Sample { size, stack: stack::capture(), attrs: attrs[..len].into() };
    live::insert(address, Arc::new(sample));
    thread::rearm(period);
}

/// Called with each block's address before it is freed or reallocated; its sample, if it had one.
#[inline]
pub(crate) fn freed(address: usize) -> Option<Arc<Sample>> {
    if filter::is_clear(address) { None } else { forget(address) }
}

#[cold]
#[inline(never)]
fn forget(address: usize) -> Option<Arc<Sample>> {
    // What is freed while busy is the profiler's own, and never sampled.
    let _busy = Busy::enter()?;
    live::remove(address)
}

/// Called if the block was not freed after all.
#[cold]
pub(crate) fn returned(address: usize, sample: Arc<Sample>) {
    if let Some(_busy) = Busy::enter() {
        live::insert(address, sample);
    }
}

/// The live samples, scaled to all blocks, those of one stack and equal labels together.
pub(super) fn samples(period: usize, keys: &[&str]) -> Vec<HeapSample> {
    let samples = match Busy::enter() {
        Some(_busy) => live::all(),
        None => return Vec::new(),
    };
    let mut sums = HashMap::<_, (f64, f64)>::new();
    for sample in &samples {
        let blocks = blocks_for(sample.size, period);
        let sum = sums.entry((&sample.stack, &sample.attrs)).or_default();
        sum.0 += blocks;
        sum.1 += blocks * sample.size as f64;
    }
    let usage = |(blocks, bytes): (f64, f64)| Usage { blocks: blocks.round() as u64, bytes: bytes.round() as u64 };
    sums.into_iter()
        .map(|((stack, attrs), sum)| HeapSample {
            stack: stack.to_vec(),
            labels: labels(attrs, keys),
            live: usage(sum),
            ever: None,
        })
        .collect()
}

pub(super) fn labels(attrs: &[u8], keys: &[&str]) -> Vec<(&'static str, String)> {
    let wanted = |key: &str| keys.is_empty() || keys.contains(&key);
    record::attrs(attrs).filter(|(key, _)| wanted(key)).map(|(key, value)| (key, value.to_owned())).collect()
}

/// How many blocks of this size a sample of one stands for: a block is sampled by the chance of `1 - e^(-size / period)`.
fn blocks_for(size: usize, period: usize) -> f64 {
    -1.0 / (-(size as f64) / period as f64).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_block_stands_for_a_period_of_bytes_and_a_large_one_for_itself() {
        assert!((blocks_for(64, 1 << 19) * 64.0 / f64::from(1 << 19) - 1.0).abs() < 0.001);
        assert!((blocks_for(1 << 30, 1 << 19) - 1.0).abs() < 0.001);
    }
}
