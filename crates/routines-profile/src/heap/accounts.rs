//! Owns the accounts of exact profiles: one for each set of labels, so many and no more, and what was allocated and freed for each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sampled::labels;
use super::thread::{self, STRIPES};
use super::{Config, HeapSample, OTHER, Usage};
use crate::record;

pub(super) const COUNT: usize = 1024;
/// What is allocated without labels.
const NONE: u32 = 0;
/// What is allocated for sets of labels for which there was no account left.
const REST: u32 = 1;

static TALLIES: [Stripe; STRIPES] = [const { Stripe([const { Account::new() }; COUNT]) }; STRIPES];

/// A thread adds to one of these, and what another frees may be subtracted from another: only the sums mean something.
#[repr(align(128))]
struct Stripe([Account; COUNT]);

struct Account {
    allocated: Tally,
    freed: Tally,
}

struct Tally {
    blocks: AtomicU64,
    bytes: AtomicU64,
}

impl Account {
    const fn new() -> Self {
        Account { allocated: Tally::new(), freed: Tally::new() }
    }
}

impl Tally {
    const fn new() -> Self {
        Tally { blocks: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    #[inline]
    fn count(&self, size: usize) {
        // Relaxed: a sum that is read while others add is one of some moment between.
        self.blocks.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(size as u64, Ordering::Relaxed);
    }

    fn usage(&self) -> Usage {
        Usage { blocks: self.blocks.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }
}

/// Counts a block that was allocated for the labels that are current; the account it counts for.
#[inline]
pub(crate) fn charge(size: usize, config: &Config) -> u32 {
    let account = record::account();
    tally(account, config).allocated.count(size);
    account
}

/// Counts a block that was allocated for `account` and is freed.
#[inline]
pub(crate) fn refund(account: u32, size: usize, config: &Config) {
    tally(account, config).freed.count(size);
}

#[inline]
fn tally(account: u32, config: &Config) -> &'static Account {
    &TALLIES[thread::stripe(config)].0[account as usize % COUNT]
}

type Book = BTreeMap<Box<[u8]>, u32>;

static BOOK: Mutex<Book> = Mutex::new(Book::new());

/// The right to open accounts, also held over `fork`.
pub(super) fn lock() -> MutexGuard<'static, Book> {
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The account of a set of labels, opened now if there is room for one.
pub(super) fn account(attrs: &[u8]) -> u32 {
    let keys = thread::config().map_or(&[][..], |config| config.keys);
    if keys.is_empty() {
        return number(attrs);
    }
    let mut told_apart = [0; record::MAX_ATTRS];
    let len = select(attrs, keys, &mut told_apart);
    number(&told_apart[..len])
}

/// Copies the attributes of these keys; how many bytes they are.
fn select(mut attrs: &[u8], keys: &[&str], into: &mut [u8]) -> usize {
    let mut used = 0;
    while let [key, len, ..] = *attrs {
        let Some((attr, rest)) = attrs.split_at_checked(2 + usize::from(len)) else { break };
        attrs = rest;
        if record::key_name(key).is_some_and(|name| keys.contains(&name)) {
            into[used..used + attr.len()].copy_from_slice(attr);
            used += attr.len();
        }
    }
    used
}

fn number(attrs: &[u8]) -> u32 {
    if attrs.is_empty() {
        return NONE;
    }
    let mut book = lock();
    if let Some(number) = book.get(attrs) {
        return *number;
    }
    let next = REST as usize + 1 + book.len();
    if next == COUNT {
        return REST;
    }
    book.insert(attrs.into(), next as u32);
    next as u32
}

/// What counts for each account.
pub(super) fn samples() -> Vec<HeapSample> {
    let book: Vec<(Box<[u8]>, u32)> = lock().iter().map(|(attrs, number)| (attrs.clone(), *number)).collect();
    let opened = book.iter().map(|(attrs, number)| sample(labels(attrs, &[]), *number));
    let rest = record::key_names().map(|key| (key, OTHER.to_owned())).collect();
    let all = opened.chain([sample(Vec::new(), NONE), sample(rest, REST)]);
    all.filter(|sample| sample.ever.is_some_and(|ever| ever.blocks > 0)).collect()
}

fn sample(labels: Vec<(&'static str, String)>, number: u32) -> HeapSample {
    // What was freed is read first: it was allocated before, so that no account is below nothing but by a race of two threads.
    let freed = sum(number, |account| &account.freed);
    let ever = sum(number, |account| &account.allocated);
    let live =
        Usage { blocks: ever.blocks.saturating_sub(freed.blocks), bytes: ever.bytes.saturating_sub(freed.bytes) };
    HeapSample { stack: Vec::new(), labels, live, ever: Some(ever) }
}

fn sum(number: u32, tally: impl Fn(&Account) -> &Tally) -> Usage {
    let mut sum = Usage::default();
    TALLIES.iter().for_each(|stripe| sum.add(tally(&stripe.0[number as usize]).usage()));
    sum
}
