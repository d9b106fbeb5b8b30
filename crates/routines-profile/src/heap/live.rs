//! Owns the samples of live blocks, by address, in shards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::filter;

/// One block that was sampled.
pub(crate) struct Sample {
    pub(super) size: usize,
    /// Return addresses, the innermost first.
    pub(super) stack: Box<[usize]>,
    /// The attributes of the record that was current.
    pub(super) attrs: Box<[u8]>,
}

pub(super) type Shard = BTreeMap<usize, Arc<Sample>>;

const SHARDS: usize = 64;
static LIVE: [Mutex<Shard>; SHARDS] = [const { Mutex::new(Shard::new()) }; SHARDS];

/// Notes the block at `address`. The caller is busy: what is allocated here is not sampled.
pub(super) fn insert(address: usize, sample: Arc<Sample>) {
    let known = lock(shard(address)).insert(address, sample);
    if known.is_none() {
        filter::add(address);
    }
}

/// Forgets the block at `address`, before its address can be given out again. The caller is busy.
pub(super) fn remove(address: usize) -> Option<Arc<Sample>> {
    let removed = lock(shard(address)).remove(&address);
    if removed.is_some() {
        filter::subtract(address);
    }
    removed
}

/// All samples, one shard at a time. The caller is busy.
pub(super) fn all() -> Vec<Arc<Sample>> {
    LIVE.iter().flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>()).collect()
}

/// The right to change anything, for `fork`.
pub(super) fn freeze() -> Vec<MutexGuard<'static, Shard>> {
    LIVE.iter().map(lock).collect()
}

fn shard(address: usize) -> &'static Mutex<Shard> {
    &LIVE[(filter::spread(address) >> 32) % SHARDS]
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
