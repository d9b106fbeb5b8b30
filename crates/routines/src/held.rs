//! Owns questions that cross routines: who this id is, and in which live routines a key has which value.

use crate::id::RoutineId;
use crate::key;
use crate::local::Local;
use crate::registry;
use crate::routine::Routine;
use crate::value::Taken;

impl<T: Send + Sync + 'static> Local<T> {
    /// The live routines in which the key is bound, each with its value: for tools that ask who still holds something.
    ///
    /// Only a named or a [derived](Self::derive) key can be asked for: other values never leave their routine, and the list is
    /// empty. A routine counts with what it would show in a [`dump`](fn@crate::dump): the values of the innermost scope it
    /// entered last.
    ///
    /// A copy of what was so at some moment during the call, in no particular order. Never panics. Locks each shard of the
    /// registry, and each live routine's own record, once; linear in the number of live routines.
    ///
    /// ```
    /// use routines::Local;
    ///
    /// static REQUEST_ID: Local<String> = Local::new().named("request_id");
    ///
    /// REQUEST_ID.sync_scope("req-7".into(), || {
    ///     let holders = REQUEST_ID.holders();
    ///     assert_eq!(holders[0].0, routines::id());
    ///     assert_eq!(*holders[0].1, "req-7");
    /// });
    /// assert!(REQUEST_ID.holders().is_empty());
    /// ```
    pub fn holders(&self) -> Vec<(RoutineId, Taken<T>)> {
        let token = self.key().token;
        let half = usize::from(key::is_never(token));
        let holder = |record: &registry::Record| {
            let (id, shown) = record.shown();
            // The record's lock is free: this may have become the last reference to a value.
            let value = shown.0[half].as_ref()?.get(token)?.clone();
            Some((RoutineId::from_u64(id)?, value.into_taken()?))
        };
        registry::records().iter().filter_map(|record| holder(record)).collect()
    }
}

impl Routine {
    /// A handle to the live routine of this id; `None` if it has ended, or is not one that is listed in [`ids`](crate::ids).
    ///
    /// Never panics. Locks one shard of the registry at a time; linear in the number of live routines.
    ///
    /// ```
    /// let me = routines::Routine::find(routines::id()).unwrap();
    /// assert_eq!(me.state(), routines::State::Running);
    /// ```
    pub fn find(id: RoutineId) -> Option<Routine> {
        registry::record(id.as_u64()).map(|record| Routine::of(id, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_and_private_keys_are_found_plain_and_cleared_ones_are_not() {
        let (derived, plain) = (Local::new().derive(|n: &u32| *n), Local::new());
        let private = Local::new().named("private").inherit(crate::Inherit::Never);
        let look = || {
            assert_eq!(derived.holders().iter().map(|(id, n)| (*id, **n)).collect::<Vec<_>>(), [(crate::id(), 7)]);
            assert_eq!((plain.holders().len(), private.holders().len()), (0, 1));
            private.clear();
            assert!(private.holders().is_empty());
        };
        derived.sync_scope(7, || plain.sync_scope(8, || private.sync_scope("mine".to_owned(), look)));
    }
}
