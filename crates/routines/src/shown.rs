//! Owns the typed view of a named value that loggers, dumps and pages receive.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A named value as a viewer sees it: typed where that helps a structured log, text otherwise.
///
/// Display writes the bare value; Debug writes strings quoted and escaped.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Shown<'a> {
    /// A string, raw: escape it before it reaches a text line.
    Str(&'a str),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A floating point number.
    F64(f64),
    /// A truth value.
    Bool(bool),
    /// Anything else, through its `Debug`.
    Debug(&'a dyn fmt::Debug),
    /// Anything else, through its `Display`.
    Display(&'a dyn fmt::Display),
}

impl Shown<'_> {
    /// Whether a character has to be escaped before it reaches a text line: controls, separators of lines, and the marks that
    /// turn the direction of writing. With one of those a line could look like another, or drive a terminal.
    ///
    /// All of them are below U+10000, so that four hexadecimal digits name each.
    ///
    /// ```
    /// assert!("a\nb\u{202e}".contains(routines::Shown::is_unsafe));
    /// assert!(!"zażółć".contains(routines::Shown::is_unsafe));
    /// ```
    pub fn is_unsafe(c: char) -> bool {
        let turns =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Str(v) => f.write_str(v),
            Shown::I64(v) => v.fmt(f),
            Shown::U64(v) => v.fmt(f),
            Shown::F64(v) => v.fmt(f),
            Shown::Bool(v) => v.fmt(f),
            Shown::Debug(v) => v.fmt(f),
            Shown::Display(v) => v.fmt(f),
        }
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Str(v) => v.fmt(f),
            Shown::Display(v) => v.fmt(f),
            other => fmt::Display::fmt(other, f),
        }
    }
}

/// The typed form of `value` if it is a primitive or a string.
pub(crate) fn typed<T: 'static>(value: &T) -> Option<Shown<'_>> {
    let any: &dyn Any = value;
    macro_rules! try_types {
        ($($type:ty => $show:expr),* $(,)?) => {
            $(if let Some(v) = any.downcast_ref::<$type>() {
                let show: for<'v> fn(&'v $type) -> Shown<'v> = $show;
                return Some(show(v));
            })*
        };
    }
    try_types! {
        String => |v| Shown::Str(v),
        &'static str => |v| Shown::Str(v),
        Arc<str> => |v| Shown::Str(v),
        Box<str> => |v| Shown::Str(v),
        std::borrow::Cow<'static, str> => |v| Shown::Str(v),
        u64 => |v| Shown::U64(*v),
        u32 => |v| Shown::U64((*v).into()),
        u16 => |v| Shown::U64((*v).into()),
        u8 => |v| Shown::U64((*v).into()),
        usize => |v| Shown::U64(*v as u64),
        i64 => |v| Shown::I64(*v),
        i32 => |v| Shown::I64((*v).into()),
        i16 => |v| Shown::I64((*v).into()),
        i8 => |v| Shown::I64((*v).into()),
        isize => |v| Shown::I64(*v as i64),
        f64 => |v| Shown::F64(*v),
        f32 => |v| Shown::F64((*v).into()),
        bool => |v| Shown::Bool(*v),
    }
    None
}
