//! Owns the wrapper around an event formatter of `tracing-subscriber`: decides what goes on the line, renders nothing.
//!
//! A formatter is wrapped rather than a layer added because the set of an event's fields is fixed at its call site; and
//! ambient values are not a span, so that no filter can drop them and no spawn can lose them.

mod json;
mod names;
mod text;

use std::any::TypeId;
use std::fmt;

use tracing_core::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::pairs::{Copying, Pairs};
use names::Names;

/// Puts the named values of the current routine on each line that the formatter `F` writes.
///
/// **Text lines** get them in front, separated by spaces, before anything the formatter writes: `request_id="req-7"
/// tenant=4 `. Strings are quoted, as JSON strings; numbers and truth values are bare; what a value's own `Debug` or
/// `Display` wrote is bare if it is one plain word and quoted otherwise. The formatter then writes to the same writer, so
/// its colours stay.
///
/// **JSON lines** get them as the last members of the root object, with their types. Numbers that JSON has no form for
/// (`NaN`, infinities) are strings. A line that is not a JSON object is handed on unchanged.
///
/// # Names
///
/// - A field that the event records under the same name wins; a field recorded as `None` is no field. Fields of spans stand
///   with their span and win over nothing.
/// - A name that stock formatters write themselves (`timestamp`, `level`, `fields`, `message`, `target`, `filename`,
///   `line_number`, `span`, `spans`, `threadName`, `threadId`), or that is [`reserve`](Self::reserve)d, is shown with `ctx.`
///   in front, in every format: `ctx.level`. So no JSON line has a key twice on our account, and `level` is always the level.
/// - [`nested`](Self::nested) puts all pairs in an object of their own, where names need no prefix.
///
/// # Threads and cost
///
/// Formats on the thread that logs; see the [crate's page](crate#what-is-promised) for what holds in panic hooks, in
/// destructors and at thread exit. With nothing bound the formatter is called directly.
///
/// # Examples
///
/// ```
/// use routines::Local;
/// use routines_log::tracing::WithContext;
/// # use std::{io, sync::{Arc, Mutex}};
/// # #[derive(Clone, Default)]
/// # struct Lines(Arc<Mutex<Vec<u8>>>);
/// # impl io::Write for Lines {
/// #     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> { self.0.lock().unwrap().write(bytes) }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
/// # let lines = Lines::default();
/// # let writer = lines.clone();
///
/// static REQUEST_ID: Local<String> = Local::new().named("request_id");
///
/// let subscriber = tracing_subscriber::fmt()
///     .without_time()
///     .with_ansi(false)
///     .with_target(false)
/// #   .with_writer(move || writer.clone())
///     .map_event_format(WithContext::new) // also after `.compact()`, `.pretty()` or `.json()`
///     .finish();
///
/// tracing::subscriber::with_default(subscriber, || {
///     REQUEST_ID.sync_scope("req-7".into(), || tracing::info!(items = 3, "loaded"));
/// });
/// # let line = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
/// assert_eq!(line, "request_id=\"req-7\"  INFO loaded items=3\n");
/// ```
#[derive(Debug, Clone)]
pub struct WithContext<F> {
    inner: F,
    line: Line,
    names: Names,
}

#[derive(Debug, Clone, Copy)]
enum Line {
    Text,
    Json,
}

impl<K: 'static, T> WithContext<Format<K, T>> {
    /// Wraps a stock formatter and knows by its type whether it writes text or JSON.
    ///
    /// Made for `map_event_format`, which keeps what the builder has set up, the JSON form of span fields included.
    ///
    /// ```
    /// use routines_log::tracing::WithContext;
    /// use tracing_subscriber::fmt::format;
    ///
    /// let by_builder = tracing_subscriber::fmt().json().map_event_format(WithContext::new).finish();
    /// let by_hand = tracing_subscriber::fmt().event_format(WithContext::new(format().compact())).finish();
    /// ```
    pub fn new(inner: Format<K, T>) -> Self {
        let line = if TypeId::of::<K>() == TypeId::of::<Json>() { Line::Json } else { Line::Text };
        WithContext { inner, line, names: Names::default() }
    }
}

impl<F> WithContext<F> {
    /// Wraps any formatter that writes text.
    ///
    /// ```
    /// use routines_log::tracing::WithContext;
    /// use tracing_subscriber::fmt::format;
    ///
    /// let subscriber = tracing_subscriber::fmt().event_format(WithContext::text(format().pretty())).finish();
    /// ```
    pub fn text(inner: F) -> Self {
        WithContext { inner, line: Line::Text, names: Names::default() }
    }

    /// Wraps any formatter that writes one JSON object per event.
    ///
    /// ```
    /// use routines_log::tracing::WithContext;
    /// use tracing_subscriber::fmt::format;
    ///
    /// let subscriber = tracing_subscriber::fmt()
    ///     .fmt_fields(format::JsonFields::new()) // the JSON formatter needs span fields in JSON, too
    ///     .event_format(WithContext::json(format().json()))
    ///     .finish();
    /// ```
    pub fn json(inner: F) -> Self {
        WithContext { inner, line: Line::Json, names: Names::default() }
    }

    /// Puts all pairs in one object: `"ctx":{"request_id":"req-7"}` in JSON, `ctx{request_id="req-7"} ` in text.
    ///
    /// There is no object on lines without pairs. The object's own name follows the rules for names, and gets `ctx.` in
    /// front also where the event has a field of that name.
    ///
    /// ```
    /// use routines_log::tracing::WithContext;
    ///
    /// let subscriber = tracing_subscriber::fmt()
    ///     .json()
    ///     .flatten_event(true)
    ///     .map_event_format(|format| WithContext::new(format).nested("ctx"))
    ///     .finish();
    /// ```
    #[must_use = "the formatter is moved in and returned"]
    pub fn nested(mut self, name: &'static str) -> Self {
        self.names.nest = Some(name);
        self
    }

    /// Keeps more names from being used for ambient values, for a formatter of your own that writes them.
    ///
    /// A second call replaces the names of the first; those of the stock formatters are always kept.
    ///
    /// ```
    /// # use routines_log::tracing::WithContext;
    /// # let my_format = tracing_subscriber::fmt::format().json();
    /// let format = WithContext::json(my_format).reserve(&["severity", "service"]);
    /// # let _subscriber = tracing_subscriber::fmt().event_format(format).finish();
    /// ```
    #[must_use = "the formatter is moved in and returned"]
    pub fn reserve(mut self, names: &'static [&'static str]) -> Self {
        self.names.reserved = names;
        self
    }
}

impl<S, N, F> FormatEvent<S, N> for WithContext<F>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, cx: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let pairs = Pairs::collect(Copying::Exact, |name| self.names.admit(name, event));
        if pairs.is_empty() {
            return self.inner.format_event(cx, out, event);
        }
        let nest = self.names.nest(event);
        match self.line {
            Line::Text => {
                text::write(&mut out, &pairs, nest.as_deref())?;
                self.inner.format_event(cx, out, event)
            }
            Line::Json => {
                let mut line = String::with_capacity(json::LINE);
                self.inner.format_event(cx, Writer::new(&mut line), event)?;
                json::splice(&mut out, &line, &pairs, nest.as_deref())
            }
        }
    }
}
