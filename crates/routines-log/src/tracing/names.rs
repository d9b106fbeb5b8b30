//! Owns the name under which an ambient value stands on a line, and whether it stands there at all.

use std::borrow::Cow;
use std::fmt;

use tracing_core::Event;
use tracing_core::field::{Field, Visit};

/// What the stock formatters write at the root of a line themselves.
const STOCK: [&str; 11] = [
    "timestamp",
    "level",
    "fields",
    "message",
    "target",
    "filename",
    "line_number",
    "span",
    "spans",
    "threadName",
    "threadId",
];

/// The rules of one formatter.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Names {
    /// The name of the object around all pairs, if there is one.
    pub(super) nest: Option<&'static str>,
    /// Names that are kept for the formatter, beside those of the stock ones.
    pub(super) reserved: &'static [&'static str],
}

impl Names {
    /// The name to show the value under, or `None` if the event has a field of that name.
    pub(super) fn admit(&self, name: &'static str, event: &Event<'_>) -> Option<Cow<'static, str>> {
        let name = if self.nest.is_none() && self.is_reserved(name) { prefixed(name) } else { Cow::Borrowed(name) };
        (!has_field(event, &name)).then_some(name)
    }

    /// The name of the object around all pairs.
    pub(super) fn nest(&self, event: &Event<'_>) -> Option<Cow<'static, str>> {
        let name = self.nest?;
        Some(if self.is_reserved(name) || has_field(event, name) { prefixed(name) } else { Cow::Borrowed(name) })
    }

    fn is_reserved(&self, name: &str) -> bool {
        STOCK.contains(&name) || self.reserved.contains(&name)
    }
}

fn prefixed(name: &str) -> Cow<'static, str> {
    Cow::Owned(format!("ctx.{name}"))
}

/// Whether the event records a field of that name: one that it merely declares, as with `None`, is not on the line.
fn has_field(event: &Event<'_>, name: &str) -> bool {
    let mut search = Search { name, found: false };
    if event.metadata().fields().iter().any(|field| search.is_it(&field)) {
        event.record(&mut search);
    }
    search.found
}

struct Search<'a> {
    name: &'a str,
    found: bool,
}

impl Search<'_> {
    fn is_it(&self, field: &Field) -> bool {
        // Formatters show a field declared as `r#type` without its mark.
        let shown = field.name().strip_prefix("r#").unwrap_or(field.name());
        shown == self.name || field.name() == self.name
    }
}

impl Visit for Search<'_> {
    fn record_debug(&mut self, field: &Field, _: &dyn fmt::Debug) {
        self.found |= self.is_it(field);
    }
}
