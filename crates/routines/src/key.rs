//! Owns what makes a key a key: its token (slot index and generation) and its immutable description. Holds no values.
//!
//! A token is `generation << 32 | class << 30 | index`: everything a read needs to know about its key in one word. Values are stored under the token of the moment they were written, and a
//! read compares whole tokens. So clearing a key, or re-using a dropped key's index, is one store of a new generation:
//! every older value everywhere stops matching at once, and readers pay nothing for it. The memory of such values is
//! freed when the routine that holds them next runs or ends: each table remembers the [`clears`] count of its last
//! look and compares it when the routine is resumed.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError, RwLock};

use crate::shown::Shown;
use crate::value::Value;

/// What happens to a key's value when a child routine starts or a snapshot is taken.
///
/// The policy stands on the key's declaration because blanket inheritance is a bug for transactions, sessions and
/// callback queues. A third policy, *derive*, is declared with [`Local::derive`](crate::Local::derive).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Inherit {
    /// The child shares the parent's value. The default.
    #[default]
    Share,
    /// The child starts unbound: the value is private to its routine.
    Never,
}

/// Makes a child's value from the parent's.
pub(crate) type Derive = Box<dyn Fn(&Value) -> Option<Value> + Send + Sync>;

/// Hands the value to a viewer in its typed form.
pub(crate) type Show = fn(&Value, &mut dyn FnMut(Shown<'_>));

/// How a named key's value is shown beyond its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Traits {
    /// Profilers see it.
    pub(crate) labelled: bool,
    /// Only that there is a value is shown.
    pub(crate) redacted: bool,
    /// Loggers do not see it.
    pub(crate) unlogged: bool,
}

/// Everything about a key but its values. One exists per distinct declaration and lives as long as the process.
pub(crate) struct Meta {
    pub(crate) name: Option<&'static str>,
    pub(crate) show: Show,
    pub(crate) traits: Traits,
    pub(crate) derive: Option<Derive>,
}

/// A registered key as the tables see it.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) token: u64,
    pub(crate) meta: &'static Meta,
}

/// Policy *never*: kept in a table apart, so that capture need not look at them.
pub(crate) const NEVER: u64 = 1 << 31;

/// Named or derived: kept in a table apart, so that capture and dumps need not look at the others.
pub(crate) const SPECIAL: u64 = 1 << 30;

const INDEX: u64 = SPECIAL - 1;

/// The slot index in a token. Starts at 1: token 0 is no key's.
#[inline]
pub(crate) fn index(token: u64) -> usize {
    (token & INDEX) as usize
}

#[inline]
pub(crate) fn is_never(token: u64) -> bool {
    token & NEVER != 0
}

#[inline]
pub(crate) fn is_special(token: u64) -> bool {
    token & SPECIAL != 0
}

/// Two declarations with the same identity share one [`Meta`].
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct MetaIdentity {
    pub(crate) name: Option<&'static str>,
    pub(crate) of: TypeId,
    pub(crate) show: usize,
    pub(crate) traits: Traits,
    pub(crate) derive: usize,
}

struct Entry {
    /// The token values are written under now.
    token: u64,
    /// The generation at which the present owner of this index began.
    born: u32,
}

struct Keys {
    entries: Vec<Entry>,
    free: Vec<usize>,
}

static KEYS: RwLock<Keys> = RwLock::new(Keys { entries: Vec::new(), free: Vec::new() });
static METAS: LazyLock<Mutex<HashMap<MetaIdentity, &'static Meta>>> = LazyLock::new(Mutex::default);
static CLEARS: AtomicU64 = AtomicU64::new(0);

/// How often any key was cleared or dropped so far.
#[inline]
pub(crate) fn clears() -> u64 {
    // Acquire: pairs with the Release in `retire`, so that whoever sees the count sees the new token.
    CLEARS.load(Ordering::Acquire)
}

fn generation(token: u64) -> u32 {
    (token >> 32) as u32
}

fn read() -> std::sync::RwLockReadGuard<'static, Keys> {
    KEYS.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> std::sync::RwLockWriteGuard<'static, Keys> {
    KEYS.write().unwrap_or_else(PoisonError::into_inner)
}

impl Keys {
    fn entry(&self, token: u64) -> Option<&Entry> {
        self.entries.get(index(token).wrapping_sub(1))
    }

    fn allocate(&mut self, class: u64) -> u64 {
        if let Some(index) = self.free.pop() {
            let entry = &mut self.entries[index - 1];
            entry.token = entry.token & !(NEVER | SPECIAL) | class;
            return entry.token;
        }
        let index = self.entries.len() as u64 + 1;
        assert!(index < INDEX, "a billion keys are in use");
        self.entries.push(Entry { token: index | class, born: 0 });
        index | class
    }
}

/// Registers a key of this class under `slot` unless another thread was first; returns its token.
#[cold]
pub(crate) fn register(slot: &AtomicU64, class: u64) -> u64 {
    let mut keys = write();
    let token = slot.load(Ordering::Relaxed);
    if token != 0 {
        return token;
    }
    let token = keys.allocate(class);
    slot.store(token, Ordering::Release);
    token
}

/// Finds or makes the one `Meta` of a declaration.
#[cold]
pub(crate) fn intern(identity: MetaIdentity, make: impl FnOnce() -> Meta) -> &'static Meta {
    let mut metas = METAS.lock().unwrap_or_else(PoisonError::into_inner);
    metas.entry(identity).or_insert_with(|| Box::leak(Box::new(make())))
}

/// What becomes of a key whose values are to vanish everywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retire {
    /// The key lives on, unbound everywhere; snapshots keep what they captured.
    Cleared,
    /// The key is gone; its index may be re-used and no snapshot will show its values again.
    Dropped,
}

/// Makes every value stored for the key unreadable; after it returns no routine reads one.
pub(crate) fn retire(slot: &AtomicU64, how: Retire) {
    let mut keys = write();
    let token = slot.load(Ordering::Relaxed);
    if token == 0 {
        return;
    }
    let index = index(token);
    let entry = &mut keys.entries[index - 1];
    match generation(token).checked_add(1) {
        Some(next) => {
            entry.token = u64::from(next) << 32 | token & u64::from(u32::MAX);
            if how == Retire::Dropped {
                entry.born = next;
            }
            slot.store(entry.token, Ordering::Release);
            if how == Retire::Dropped {
                keys.free.push(index);
            }
        }
        // Four billion clears of one key: the index is spent and never re-used.
        None => {
            entry.token = 0;
            entry.born = u32::MAX;
            let fresh = if how == Retire::Cleared { keys.allocate(token & (NEVER | SPECIAL)) } else { 0 };
            slot.store(fresh, Ordering::Release);
        }
    }
    // Release: pairs with the Acquire in `clears`.
    CLEARS.fetch_add(1, Ordering::Release);
}

/// Answers questions about many tokens under one lock.
pub(crate) struct Registered(std::sync::RwLockReadGuard<'static, Keys>);

impl Registered {
    pub(crate) fn lock() -> Self {
        Registered(read())
    }

    /// Whether a value stored under `token` is still readable.
    pub(crate) fn is_current(&self, token: u64) -> bool {
        self.0.entry(token).is_some_and(|e| e.token == token)
    }

    /// The present token of the key that owned `token`, or `None` if that key was dropped.
    pub(crate) fn revived(&self, token: u64) -> Option<u64> {
        self.0.entry(token).filter(|e| e.token != 0 && generation(token) >= e.born).map(|e| e.token)
    }
}
