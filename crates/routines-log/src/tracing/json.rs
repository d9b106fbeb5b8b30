//! Owns the form of the pairs in a JSON line, and where they go in it; also the quoted strings of text lines.

use std::fmt;
use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use tracing_subscriber::fmt::format::Writer;

use crate::escape::OneLine;
use crate::pairs::{Pairs, Value};

/// The capacity a line starts with: more than a stock line with one span has, and still from the allocator's fast lists.
pub(super) const LINE: usize = 512;

/// Writes `line`, an object, with the pairs as its last members; or `line` as it is, if it is no object.
pub(super) fn splice(out: &mut Writer<'_>, line: &str, pairs: &Pairs, nest: Option<&str>) -> fmt::Result {
    let Some((head, tail)) = split(line) else {
        return out.write_str(line);
    };
    out.write_str(head)?;
    if !head.trim_end().ends_with('{') {
        out.write_char(',')?;
    }
    match nest {
        None => write_members(out, pairs)?,
        Some(nest) => {
            write(out, nest)?;
            out.write_str(":{")?;
            write_members(out, pairs)?;
            out.write_char('}')?;
        }
    }
    out.write_str(tail)
}

/// An object up to its last brace, and the rest.
fn split(line: &str) -> Option<(&str, &str)> {
    let head = line.trim_end().strip_suffix('}')?;
    head.trim_start().starts_with('{').then(|| line.split_at(head.len()))
}

fn write_members(out: &mut Writer<'_>, pairs: &Pairs) -> fmt::Result {
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write(out, name)?;
        out.write_char(':')?;
        write_value(out, value)?;
    }
    Ok(())
}

fn write_value(out: &mut Writer<'_>, value: Value<'_>) -> fmt::Result {
    match value {
        Value::Str(v) | Value::Text(v) => write(out, v),
        Value::I64(v) => write(out, &v),
        Value::U64(v) => write(out, &v),
        Value::F64(v) if v.is_finite() => write(out, &v),
        Value::F64(v) => write(out, &v.to_string()),
        Value::Bool(v) => write(out, &v),
    }
}

/// Writes a string or number as JSON, with no character raw that may not be on a line.
pub(super) fn write<T: Serialize + ?Sized>(out: &mut Writer<'_>, value: &T) -> fmt::Result {
    value.serialize(&mut Serializer::with_formatter(Utf8(out), Escaping)).map_err(|_| fmt::Error)
}

/// JSON itself only asks for C0 controls, quotes and backslashes to be escaped; terminals and `splitlines` know more.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        fmt::Write::write_str(&mut OneLine(Bytes(out)), fragment).map_err(io::Error::other)
    }
}

/// Bytes over text.
struct Utf8<'a, 'w>(&'a mut Writer<'w>);

impl io::Write for Utf8<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Text over bytes.
struct Bytes<'a, W: ?Sized>(&'a mut W);

impl<W: ?Sized + io::Write> fmt::Write for Bytes<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}
