//! Owns a context: the values that cross to children, and apart from them the ones that never do. Runs no user code.

use crate::key::{self, Key, Meta};
use crate::table::{self, Displaced, Table};
use crate::value::Value;

/// All values bound in a routine at one moment. Empty is two null pointers (R17).
#[derive(Clone, Default)]
pub(crate) struct Context {
    /// Values of keys whose policy lets them cross. Capturing is cloning this pointer.
    pub(crate) shared: Option<Table>,
    /// Values of keys with policy *never*.
    pub(crate) private: Option<Table>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::snapshot::fmt_named(f, "Context", self)
    }
}

impl Context {
    pub(crate) const EMPTY: Context = Context { shared: None, private: None };

    /// Whether nothing is bound.
    pub(crate) fn is_empty(&self) -> bool {
        self.shared.is_none() && self.private.is_none()
    }

    #[inline]
    pub(crate) fn get(&self, token: u64) -> Option<&Value> {
        let table = if key::is_never(token) { self.private.as_ref() } else { self.shared.as_ref() }?;
        let table = if key::is_special(token) { table.special()? } else { table };
        table.get(token)
    }

    /// Binds (`Some`) or unbinds (`None`) a key.
    #[inline]
    pub(crate) fn write(&mut self, key: Key, value: Option<Value>) -> Displaced {
        let place = if key::is_never(key.token) { &mut self.private } else { &mut self.shared };
        if key::is_special(key.token) {
            table::write_special(place, key, value)
        } else {
            table::write(place, key, value)
        }
    }

    /// The values a record shows: one pointer per half.
    pub(crate) fn special(&self) -> Published {
        Published([self.shared.as_ref(), self.private.as_ref()].map(|half| half.and_then(Table::special).cloned()))
    }

    /// Whether a routine running with this context has anything to show.
    #[inline]
    pub(crate) fn has_special(&self) -> bool {
        [&self.shared, &self.private].into_iter().flatten().any(|t| t.special().is_some())
    }

    /// Whether a key was cleared since the values were last looked through, or replaced values can be freed.
    #[inline]
    pub(crate) fn holds_garbage(&mut self) -> bool {
        [&mut self.shared, &mut self.private].into_iter().flatten().any(|t| t.is_dated() || t.is_foldable())
    }

    /// Lets go of values nobody can read any more. Drop the result when nothing is lent out.
    pub(crate) fn refresh(&mut self) -> [Option<Table>; 4] {
        let [a, b] = [&mut self.shared, &mut self.private].map(|half| [table::fold(half), table::refresh(half)]);
        let ([a, b], [c, d]) = (a, b);
        [a, b, c, d]
    }

    /// Visits every bound value.
    pub(crate) fn each(&self, visit: &mut dyn FnMut(u64, &'static Meta, &Value)) {
        for half in [&self.shared, &self.private].into_iter().flatten() {
            half.each(visit);
            if let Some(special) = half.special() {
                special.each(visit);
            }
        }
    }
}

/// The named values of a routine, shared with its record so that other threads can show them.
#[derive(Clone, Default)]
pub(crate) struct Published(pub(crate) [Option<Table>; 2]);

impl Published {
    pub(crate) const NOTHING: Published = Published([None, None]);

    pub(crate) fn is_nothing(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Visits the named values in the order their keys were first used.
    pub(crate) fn each_named(&self, visit: &mut dyn FnMut(&'static str, &'static Meta, &Value)) {
        let mut found: Vec<(usize, &'static str, &'static Meta, Value)> = Vec::new();
        for half in self.0.iter().flatten() {
            half.each(&mut |token, meta, value| {
                if let Some(name) = meta.name {
                    found.push((key::index(token), name, meta, value.clone()));
                }
            });
        }
        found.sort_by_key(|(index, ..)| *index);
        found.iter().for_each(|(_, name, meta, value)| visit(name, meta, value));
    }

    /// Leaves out what was cleared since it was published.
    pub(crate) fn current(mut self) -> Published {
        for half in &mut self.0 {
            drop(table::refresh(half));
        }
        self
    }
}
