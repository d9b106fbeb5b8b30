//! Owns the labels of a context: what a profiler reads of the running routine through one pointer, also in a signal handler.
//!
//! A key opts in with [`Local::labelled`](crate::Local::labelled). Whenever such a key is bound or unbound, the profiler's
//! [`Reader`] builds one immutable [`Record`] of all labels of the context; it travels with the context, and a switch to another
//! context hands it to the reader. Nothing is built per poll, and without a reader nothing is built at all.
//!
//! A task that was announced by runtime hooks, and not wrapped, is switched to by [`Seat::show_labels`]: the hooks of
//! `routines-tokio` call it where a reader was installed before the runtime was built.
//!
//! A task that nobody told of, polled by a `block_on` within a scope, runs under that scope's labels: it reads nothing of it (R8), but a
//! signal handler cannot ask whose task it interrupted.
//!
//! [`Seat::show_labels`]: crate::runtime::Seat::show_labels
//!
//! ```
//! use std::cell::Cell;
//!
//! use routines::Local;
//! use routines::label::{self, Labels, Reader, Record};
//!
//! thread_local!(static CURRENT: Cell<u64> = const { Cell::new(0) });
//!
//! fn record(labels: &Labels<'_>) -> Record {
//!     let mut words = Vec::new();
//!     labels.for_each(|_name, value| words.push(value.to_string().len() as u64));
//!     Record::from(&words[..])
//! }
//!
//! assert!(label::install(Reader { record, switch: |record| CURRENT.set(record.map_or(0, |record| record[0])) }));
//!
//! static TENANT: Local<&str> = Local::new().named("tenant").labelled();
//! let inside = TENANT.sync_scope("acme", || CURRENT.get());
//! assert_eq!(inside, 4);
//! assert_eq!(CURRENT.get(), 0);
//! ```

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use triomphe::ThinArc;

use crate::key::{Meta, Registered};
use crate::shown::Shown;
use crate::table::{Table, each_label};
use crate::value::Value;

/// What a profiler installs with [`install`], once per process.
///
/// Both functions are called while the current context is being changed: they must not read or set locals (they would find
/// nothing), must not panic, and should be quick.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// Builds the record of a set of labels, which is never empty: called once per change of a label, on the thread that
    /// changes it.
    pub record: fn(&Labels<'_>) -> Record,
    /// The labels current on this thread are now those of this record; `None`: there are none.
    ///
    /// The record's words stay where they are, alive and unchanged, until the next call on the same thread has returned. Called
    /// only when another record becomes current; the last call on a thread that ends is with `None`.
    pub switch: fn(Option<&Record>),
}

static READER: OnceLock<Reader> = OnceLock::new();

/// Installs the reader of labels; `false` if there is one already.
///
/// Do it first in `main`: labels that are bound already are seen when one of them is next bound.
pub fn install(reader: Reader) -> bool {
    READER.set(reader).is_ok()
}

/// Whether anybody reads labels.
#[inline]
pub fn is_installed() -> bool {
    READER.get().is_some()
}

/// Hands over what is current now.
pub(crate) fn switch(record: Option<&Record>) {
    if let Some(reader) = READER.get() {
        (reader.switch)(record);
    }
}

/// An immutable record of labels, in whatever layout its [`Reader`] likes: words, so that it is aligned for numbers.
#[derive(Debug, Clone)]
pub struct Record(ThinArc<(), u64>);

impl From<&[u64]> for Record {
    fn from(words: &[u64]) -> Self {
        Record(ThinArc::from_header_and_slice((), words))
    }
}

impl Deref for Record {
    type Target = [u64];

    #[inline]
    fn deref(&self) -> &[u64] {
        &self.0.slice
    }
}

impl Record {
    /// Copies `words`; then `place` writes what depends on where they are now, for good: addresses within the record.
    pub fn placed(words: &[u64], place: impl FnOnce(&mut [u64])) -> Self {
        let mut record = ThinArc::from_header_and_slice((), words);
        record.with_arc_mut(|all| {
            // Always: nobody else has it yet.
            if let Some(all) = triomphe::Arc::get_mut(all) {
                place(all.slice_mut());
            }
        });
        Record(record)
    }

    /// The record of the labels in a context's table of named values.
    pub(crate) fn of(special: Option<&Table>) -> Option<Record> {
        let reader = READER.get()?;
        let labels = Labels { table: special?, keys: special?.is_dated().then(Registered::lock) };
        let mut any = false;
        labels.each(&mut |_, _| any = true);
        any.then(|| (reader.record)(&labels))
    }
}

/// The labels of a context.
pub struct Labels<'a> {
    table: &'a Table,
    /// To leave out what was cleared, if anything may have been.
    keys: Option<Registered>,
}

impl Labels<'_> {
    /// Visits each label with its key's name. Two keys of one name are both visited.
    pub fn for_each(&self, mut visit: impl FnMut(&'static str, Shown<'_>)) {
        self.each(&mut |meta, value| {
            if let Some(name) = meta.name {
                (meta.show)(value, &mut |shown| visit(name, shown));
            }
        });
    }

    fn each(&self, visit: &mut dyn FnMut(&'static Meta, &Value)) {
        each_label(self.table, &mut |token, meta, value| {
            if meta.name.is_some() && self.keys.as_ref().is_none_or(|keys| keys.is_current(token)) {
                visit(meta, value);
            }
        });
    }
}

impl std::fmt::Debug for Labels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        self.for_each(|name, value| {
            map.entry(&name, &format_args!("{value:?}"));
        });
        map.finish()
    }
}

/// What a label can be: text, a number or a truth value, whose text no code of yours has to write.
///
/// Sealed: labels are looked at while a context is being changed, when no user code may run.
pub trait Label: sealed::Sealed {}

#[expect(unnameable_types, reason = "that is what seals the trait")]
mod sealed {
    pub trait Sealed {}
}

macro_rules! labels {
    ($($type:ty),* $(,)?) => {
        $(impl sealed::Sealed for $type {} impl Label for $type {})*
    };
}

labels!(String, &'static str, Arc<str>, Box<str>, Cow<'static, str>, bool);
labels!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
