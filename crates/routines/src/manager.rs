//! Owns the shape that Go's `jtolds/gls` gives to ambient values: independent bags of values under dynamic keys.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::carried::Carried;
use crate::local::Local;

/// A bag of values under keys that are chosen at run time. As many independent bags as wanted; every spawn carries all.
///
/// Setting values copies the bag, so that reading is one lookup: as in the original. For keys known when the program is
/// written a [`Local`] each is faster and typed.
///
/// ```
/// use routines::{Manager, Symbol};
///
/// static MANAGER: Manager<Symbol, String> = Manager::new();
///
/// let request_id = Symbol::new();
/// MANAGER.set_values([(request_id, "12345".to_string())], || {
///     let child = routines::thread::spawn(move || MANAGER.get_value(&request_id));
///     assert_eq!(child.join().unwrap().as_deref(), Some("12345"));
/// });
/// assert_eq!(MANAGER.get_value(&request_id), None);
/// ```
pub struct Manager<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    bag: Local<HashMap<K, V>>,
}

impl<K, V> Manager<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A new, independent bag. Works in a `static`.
    pub const fn new() -> Self {
        Manager { bag: Local::new() }
    }

    /// Shows the whole bag in logs and dumps under `name`. What stands in it is then no secret any more.
    pub const fn named(mut self, name: &'static str) -> Self
    where
        K: fmt::Debug,
        V: fmt::Debug,
    {
        self.bag.show_as(name);
        self
    }

    /// Runs `f` with these values set on top of the present ones, which are back afterwards, also on panic.
    pub fn set_values<R>(&self, values: impl IntoIterator<Item = (K, V)>, f: impl FnOnce() -> R) -> R {
        self.bag.sync_scope(self.extended(values), f)
    }

    /// As [`set_values`](Self::set_values), around a future.
    #[track_caller]
    pub fn scope<F: Future>(&self, values: impl IntoIterator<Item = (K, V)>, future: F) -> Carried<F> {
        self.bag.scope(self.extended(values), future)
    }

    /// The value set under `key` by this or an outer frame.
    pub fn get_value<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.values()?.get(key).cloned()
    }

    /// All values set here, or `None` if there are none.
    pub fn values(&self) -> Option<Arc<HashMap<K, V>>> {
        self.bag.get_arc()
    }

    /// Empties the bag in the current frame, and gives back what was in it.
    pub fn flush(&self) -> Option<Arc<HashMap<K, V>>> {
        self.bag.remove().map(|bag| bag.into_arc())
    }

    /// Takes the bag out of use: no routine reads its values any more, and spawns stop carrying them.
    ///
    /// Dropping a manager does the same; this is for one in a `static`, which can be filled again afterwards.
    pub fn unregister(&self) {
        self.bag.clear();
    }

    fn extended(&self, values: impl IntoIterator<Item = (K, V)>) -> HashMap<K, V> {
        let mut bag = self.values().map(|bag| (*bag).clone()).unwrap_or_default();
        bag.extend(values);
        bag
    }
}

impl<K, V> Default for Manager<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Manager::new()
    }
}

impl<K, V> fmt::Debug for Manager<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("values", &self.values().map_or(0, |bag| bag.len())).finish()
    }
}

/// A key that equals nothing but itself and its copies: `GenSym`.
///
/// ```
/// use routines::Symbol;
///
/// let a = Symbol::new();
/// assert_eq!(a, a);
/// assert_ne!(a, Symbol::new());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Symbol(u64);

impl Symbol {
    /// A key never made before.
    #[expect(clippy::new_without_default, reason = "a default that differs each time would surprise")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Symbol(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
