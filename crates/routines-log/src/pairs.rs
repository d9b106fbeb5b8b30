//! Owns the copying of the current routine's named values for one line; the only place that runs their `Debug`.
//!
//! The copy is what makes the rest simple: whoever renders the pairs holds whatever it likes and runs no user code. It is
//! local to the call, so a `Debug` that logs again, a panic hook and a dying thread each work on a copy of their own.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::{self, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use routines::Shown;

use crate::escape::OneLine;

/// What a value is shown as if its `Debug` or `Display` panics or fails.
const UNPRINTABLE: &str = "<unprintable>";

/// How text is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copying {
    /// As it is: whoever renders it escapes it.
    Exact,
    /// With unsafe characters escaped: for `log`, where whoever renders it may not.
    #[cfg_attr(not(feature = "log"), expect(dead_code, reason = "only loggers of `log` are handed escaped text"))]
    OneLine,
}

/// The pairs of one line, no name twice.
pub(crate) struct Pairs {
    copying: Copying,
    list: Vec<(Cow<'static, str>, Stored)>,
    text: String,
}

enum Stored {
    Str(Range<usize>),
    Text(Range<usize>),
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
}

/// A copied value.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// A string.
    Str(&'a str),
    /// What the value's `Debug` or `Display` wrote.
    Text(&'a str),
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
}

impl Pairs {
    /// Copies the values that `admit` gives a name to.
    pub(crate) fn collect(copying: Copying, admit: impl Fn(&'static str) -> Option<Cow<'static, str>>) -> Pairs {
        let mut pairs = Pairs { copying, list: Vec::new(), text: String::new() };
        routines::for_each_named(|name, shown| {
            if let Some(name) = admit(name) {
                pairs.add(name, shown);
            }
        });
        pairs
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.list.iter().map(|(name, stored)| (&**name, self.value(stored)))
    }

    fn value(&self, stored: &Stored) -> Value<'_> {
        match stored {
            Stored::Str(at) => Value::Str(&self.text[at.clone()]),
            Stored::Text(at) => Value::Text(&self.text[at.clone()]),
            Stored::I64(v) => Value::I64(*v),
            Stored::U64(v) => Value::U64(*v),
            Stored::F64(v) => Value::F64(*v),
            Stored::Bool(v) => Value::Bool(*v),
        }
    }

    fn add(&mut self, name: Cow<'static, str>, shown: Shown<'_>) {
        if self.list.iter().any(|(known, _)| *known == name) {
            return;
        }
        if let Some(stored) = self.store(shown) {
            self.list.push((name, stored));
        }
    }

    fn store(&mut self, shown: Shown<'_>) -> Option<Stored> {
        Some(match shown {
            Shown::I64(v) => Stored::I64(v),
            Shown::U64(v) => Stored::U64(v),
            Shown::F64(v) => Stored::F64(v),
            Shown::Bool(v) => Stored::Bool(v),
            Shown::Str(v) => Stored::Str(self.copy(|out| out.write_str(v))),
            foreign => {
                let _formatting = Formatting::begin()?;
                Stored::Text(self.copy(|out| write!(out, "{foreign}")))
            }
        })
    }

    fn copy(&mut self, write: impl FnOnce(&mut dyn Write) -> fmt::Result) -> Range<usize> {
        let start = self.text.len();
        let text = &mut self.text;
        let copied = match self.copying {
            Copying::Exact => caught(|| write(text)),
            Copying::OneLine => caught(|| write(&mut OneLine(text))),
        };
        if !copied {
            self.text.truncate(start);
            self.text.push_str(UNPRINTABLE);
        }
        start..self.text.len()
    }
}

/// Whether `write` neither failed nor panicked.
///
/// A line is often logged by code that has never heard of the value, so it should not be the one to suffer.
fn caught(write: impl FnOnce() -> fmt::Result) -> bool {
    // Unwind-safe: what was half written is cut off.
    matches!(catch_unwind(AssertUnwindSafe(write)), Ok(Ok(())))
}

/// Held while this thread runs some value's `Debug` or `Display`; there is only one, or such code that logs would never end.
struct Formatting;

thread_local! {
    // Has no destructor, so it can be used to the thread's very end.
    static FORMATTING: Cell<bool> = const { Cell::new(false) };
}

impl Formatting {
    fn begin() -> Option<Formatting> {
        // Made lazily: one made for nothing would be dropped, and its `Drop` clear the flag of the one that is held.
        (!FORMATTING.replace(true)).then(|| Formatting)
    }
}

impl Drop for Formatting {
    fn drop(&mut self) {
        FORMATTING.set(false);
    }
}
