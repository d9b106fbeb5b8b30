//! Owns logging: the subscriber, the formatter that follows the mode, and the sink that keeps every line for the check.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use routines_log::tracing::WithContext;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::mode;

/// Sends every line, as JSON, to the sink returned.
pub(crate) fn to_sink() -> Sink {
    let sink = Sink::default();
    let json = || tracing_subscriber::fmt::format().json().flatten_event(true);
    tracing_subscriber::fmt()
        .with_max_level(Level::INFO)
        .fmt_fields(JsonFields::new())
        .event_format(Switched { with: WithContext::new(json()), without: json() })
        .with_writer(sink.clone())
        .init();
    sink
}

/// Sends every line, as text, to standard output.
pub(crate) fn to_stdout() {
    tracing_subscriber::fmt()
        .with_max_level(Level::INFO)
        .with_ansi(io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()))
        .map_event_format(WithContext::new)
        .init();
}

/// The stock formatter with and without the adapter, so that a line written in [`mode::Mode::Off`] pays for no look-up.
struct Switched {
    with: WithContext<Format<Json>>,
    without: Format<Json>,
}

impl<S, N> FormatEvent<S, N> for Switched
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, cx: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if mode::is_on() {
            self.with.format_event(cx, writer, event)
        } else {
            self.without.format_event(cx, writer, event)
        }
    }
}

/// Keeps lines in memory.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    /// The lines since the last call.
    pub(crate) fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8(bytes).expect("the formatter writes to it through `fmt::Write`, which takes text alone")
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = &'a Sink;

    fn make_writer(&'a self) -> &'a Sink {
        self
    }
}

impl Write for &Sink {
    // The subscriber writes each line by one call, so lines of several threads do not mix.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
