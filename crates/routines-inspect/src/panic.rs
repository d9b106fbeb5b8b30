//! Owns the panic report: whose work a panic interrupted, and what started that work.
//!
//! [`install`] it first in `main`. Beside the usual message, which the hook that was there before writes first, a panic
//! then says which routine it happened in, with its named values, where that was spawned, and the same of what started
//! it:
//!
//! ```text
//! thread 'tokio-rt-worker' (4711) panicked at src/prices.rs:31:9:
//! no price for item 9
//! routine 130 panicked; what it is, and what started it:
//! routine 130 [running] {request_id: "req-7", tenant: "acme"}:
//!         task "prices", age 12ms, 3 polls
//! created by src/checkout.rs:80 in routine 129
//!
//! routine 129 [idle] {request_id: "req-7"}:
//!         task, age 15ms, 2 polls
//! created by src/main.rs:33 in routine 64
//!
//! routine 64 [done]
//! ```
//!
//! What follows the first line is a dump as [`routines::dump`] writes it; a parent that has ended is a line with its
//! id, and what started that one is not known any more.
//!
//! # In a process in a bad state
//!
//! A panic inside a panic hook aborts the process, and a hook may run with any lock held. So the panicking thread does
//! two things only: it writes the first line, which on a thread that is a routine already allocates nothing and takes
//! no lock, and it waits for another thread, which does the rest, for at most the report's
//! [patience](Report::patience). That thread runs what belongs to the program: the `Debug` of values, and the writer. A
//! value whose `Debug` panics is shown as `<unprintable>`; if something blocks - on a lock that the panicking thread
//! holds, say - the report is a short one: the id, and the text and number values of the routine itself.
//!
//! - Memory is exhausted: the first line is out before anything is allocated. In JSON there is only the usual message.
//! - The registry's lock is held by another thread: a delay. By the panicking thread, in an allocator: the short report.
//! - No thread can be started, or 8 reports hang already: the short report, at once.
//!
//! A report is at most 16 KiB, 16 generations and 32 values a routine, each cut at 256 bytes; control characters and
//! such that turn the direction of writing are escaped; [redacted](routines::Local::redacted) values are redacted,
//! unnamed ones do not show.
//!
//! Costs a thread per panic, about 70 microseconds, and a look through the registry for each generation: up to a
//! millisecond with 100 000 live routines. Nothing until then.

mod aside;
mod json;
mod lineage;
mod short;
mod text;

use std::fmt;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lineage::Lineage;

/// Installs the report as text on standard error: [`Report::install`] with nothing set.
///
/// ```
/// assert!(routines_inspect::panic::install());
/// assert!(!routines_inspect::panic::install(), "once is enough");
/// ```
pub fn install() -> bool {
    Report::builder().install()
}

/// What a report looks like and where it goes.
///
/// ```no_run
/// use routines_inspect::panic::Report;
///
/// let log = std::fs::File::options().create(true).append(true).open("panics.json")?;
/// Report::builder().json().writer(log).install();
/// # std::io::Result::Ok(())
/// ```
#[must_use = "call `install`"]
pub struct Report {
    form: Form,
    values: bool,
    generations: usize,
    patience: Duration,
    writer: Option<Mutex<Box<dyn Write + Send>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

impl Report {
    /// Text on standard error, with values, of 16 generations, with half a second of patience.
    pub fn builder() -> Report {
        Report { form: Form::Text, values: true, generations: 16, patience: Duration::from_millis(500), writer: None }
    }

    /// Writes one line of JSON: `{"version": 1, "event": "panic", "unix_ms": …, "message": …, "location":
    /// "file:line:column", "routine": {…}, "parents": [{…}, …]}`.
    ///
    /// Routines are as in [`Dump::to_json`](routines::Dump::to_json); of one that has ended there is `{"id": 64,
    /// "state": "done"}`. A short report has no `parents`, and `"incomplete": true`.
    pub fn json(mut self) -> Self {
        self.form = Form::Json;
        self
    }

    /// Writes there instead of standard error; a short report still goes to standard error.
    ///
    /// Called on another thread than the one that panics, one report at a time. Errors are ignored.
    pub fn writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.writer = Some(Mutex::new(Box::new(writer)));
        self
    }

    /// Leaves out all named values.
    pub fn without_values(mut self) -> Self {
        self.values = false;
        self
    }

    /// How many routines to show at most: the panicking one, its parent, and so on; at least 1.
    pub fn generations(mut self, most: usize) -> Self {
        self.generations = most.max(1);
        self
    }

    /// How long the panicking thread waits for the report before it writes the short one.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Installs the report, to be called after the hook that is there now. Returns whether it did: only the first
    /// report of a process is installed, and none from a thread that is panicking.
    ///
    /// A hook that is set later replaces both, unless it calls what [`std::panic::take_hook`] gave it. Never panics.
    pub fn install(self) -> bool {
        static INSTALLED: AtomicBool = AtomicBool::new(false);
        if std::thread::panicking() || INSTALLED.swap(true, Ordering::Relaxed) {
            return false;
        }
        let report = Arc::new(self);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // A value's `Debug` that panics while it is being reported is the report's affair.
            if !aside::is_here() {
                before(panic);
                report.write(panic);
            }
        }));
        true
    }

    /// Runs in the hook: nothing here may panic, which is why what could runs aside.
    fn write(self: &Arc<Self>, panic: &PanicHookInfo<'_>) {
        let routine = routines::current();
        if self.form == Form::Text && self.writer.is_none() {
            short::first_line(routine.id());
        }
        let said = match self.form {
            Form::Text => None,
            Form::Json => Some(json::Said::of(panic)),
        };
        let (report, here) = (self.clone(), routine.clone());
        let written = aside::run(self.patience, move |turn| {
            let lineage = Lineage::of(&here, report.generations, report.values);
            let text = match said {
                Some(said) => json::write(&said, lineage),
                None if report.writer.is_some() => text::with_first_line(here.id(), &lineage),
                None => text::write(&lineage),
            };
            if turn.take() {
                report.put(text.as_bytes());
            }
        });
        if !written {
            short::write(self.form == Form::Json, routine.id(), self.values);
        }
    }

    fn put(&self, text: &[u8]) {
        // Nobody can be told that the report cannot be written.
        let _ = match &self.writer {
            None => io::stderr().write_all(text),
            Some(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write_all(text).and_then(|()| writer.flush())
            }
        };
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("form", &self.form).field("values", &self.values).finish_non_exhaustive()
    }
}
