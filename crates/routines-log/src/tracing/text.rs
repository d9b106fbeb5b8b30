//! Owns the form of the pairs in front of a text line.

use std::fmt;

use routines::Shown;
use tracing_subscriber::fmt::format::Writer;

use super::json;
use crate::pairs::{Pairs, Value};

/// Writes `name=value ` for each pair, or `nest{name=value name=value} `.
pub(super) fn write(out: &mut Writer<'_>, pairs: &Pairs, nest: Option<&str>) -> fmt::Result {
    if let Some(nest) = nest {
        word(out, nest)?;
        out.write_char('{')?;
    }
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.write_char(' ')?;
        }
        word(out, name)?;
        out.write_char('=')?;
        write_value(out, value)?;
    }
    out.write_str(if nest.is_some() { "} " } else { " " })
}

fn write_value(out: &mut Writer<'_>, value: Value<'_>) -> fmt::Result {
    match value {
        Value::Str(v) => json::write(out, v),
        Value::Text(v) => word(out, v),
        Value::I64(v) => write!(out, "{v}"),
        Value::U64(v) => write!(out, "{v}"),
        Value::F64(v) => write!(out, "{v:?}"),
        Value::Bool(v) => write!(out, "{v}"),
    }
}

/// Bare if it is one plain word, quoted otherwise: so a reader can always tell where it ends.
fn word(out: &mut Writer<'_>, text: &str) -> fmt::Result {
    let needs_quotes = |c: char| c.is_whitespace() || Shown::is_unsafe(c) || matches!(c, '"' | '\\' | '=' | '{' | '}');
    if text.is_empty() || text.contains(needs_quotes) { json::write(out, text) } else { out.write_str(text) }
}
