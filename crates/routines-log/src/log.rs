//! Owns the wrapper around a logger of the `log` crate: adds the pairs to a record's key-values, renders nothing.

use std::borrow::Cow;
use std::fmt::Write;

use ::log::kv::{Error, Key, Source, Value as KvValue, VisitSource};
use ::log::{LevelFilter, Log, Metadata, Record, SetLoggerError};
use routines::Shown;

use crate::escape::OneLine;
use crate::pairs::{Copying, Pairs, Value};

/// Hands each record on with the named values of the current routine among its key-values.
///
/// They come after the record's own, which win over an ambient value of the same name. Strings, `i64`, `u64`, `f64` and
/// `bool` keep their type; anything else is the text that its `Debug` or `Display` writes. The values are copied before the
/// record is handed on, so no lock of the logger's is held while they are formatted, and a logger that passes copies to
/// another thread passes the right ones.
///
/// # Text and structure
///
/// Loggers that write text, `env_logger` among them, write a string as it is. So that no value forges a line, unsafe
/// characters (see the [crate's page](crate#what-is-promised)) are escaped here: a line break arrives as `\n`, two
/// characters. Any other string, backslashes and spaces included, arrives exactly as bound. For a logger that does its own
/// escaping, one that writes JSON or sends fields over the network, [`exact`](Self::exact) leaves them all alone.
///
/// A logger that writes `key=value` without quotes cannot show where a value with spaces ends; that is as true of a call
/// site's own values.
///
/// # Threads and cost
///
/// What holds in panic hooks, in destructors and at thread exit is on the [crate's page](crate#what-is-promised). Records
/// that the logger says it is not enabled for, and those logged where nothing is bound, are handed on untouched.
///
/// # Examples
///
/// ```
/// use routines::Local;
/// use routines_log::log::WithContext;
///
/// static REQUEST_ID: Local<String> = Local::new().named("request_id");
///
/// let logger = env_logger::Builder::from_default_env().filter_level(log::LevelFilter::Info).build();
/// let max = logger.filter();
/// WithContext::new(logger).install(max).unwrap();
///
/// REQUEST_ID.sync_scope("req-7".into(), || log::info!(items = 3; "loaded"));
/// // [2026-…Z INFO  shop] loaded items=3 request_id=req-7
/// ```
#[derive(Debug, Clone)]
pub struct WithContext<L> {
    inner: L,
    copying: Copying,
}

impl<L> WithContext<L> {
    /// Wraps a logger; safe for those that write text.
    ///
    /// ```
    /// use log::{Log, Metadata, Record};
    /// use routines_log::log::WithContext;
    ///
    /// struct Nothing;
    ///
    /// impl Log for Nothing {
    ///     fn enabled(&self, _: &Metadata<'_>) -> bool { false }
    ///     fn log(&self, _: &Record<'_>) {}
    ///     fn flush(&self) {}
    /// }
    ///
    /// static LOGGER: WithContext<Nothing> = WithContext::new(Nothing);
    /// log::set_logger(&LOGGER).unwrap();
    /// ```
    pub const fn new(inner: L) -> Self {
        WithContext { inner, copying: Copying::OneLine }
    }

    /// Hands on every string exactly as bound, for a logger that does its own escaping.
    ///
    /// ```
    /// # use routines_log::log::WithContext;
    /// # let json_logger = env_logger::Builder::new().build();
    /// let logger = WithContext::new(json_logger).exact();
    /// # let _: &dyn log::Log = &logger;
    /// ```
    #[must_use = "the logger is moved in and returned"]
    pub const fn exact(mut self) -> Self {
        self.copying = Copying::Exact;
        self
    }

    /// Makes this the process's logger, for records up to `max`.
    ///
    /// # Errors
    ///
    /// If the process has a logger already.
    ///
    /// ```
    /// use routines_log::log::WithContext;
    ///
    /// let logger = || env_logger::Builder::new().build();
    /// assert!(WithContext::new(logger()).install(log::LevelFilter::Info).is_ok());
    /// assert!(WithContext::new(logger()).install(log::LevelFilter::Info).is_err());
    /// ```
    pub fn install(self, max: LevelFilter) -> Result<(), SetLoggerError>
    where
        L: Log + 'static,
    {
        ::log::set_boxed_logger(Box::new(self))?;
        ::log::set_max_level(max);
        Ok(())
    }

    fn admit(&self, name: &'static str, record: &Record<'_>) -> Option<Cow<'static, str>> {
        let taken = record.key_values().get(Key::from_str(name)).is_some();
        (!taken).then(|| if self.copying == Copying::OneLine { one_line(name) } else { Cow::Borrowed(name) })
    }
}

impl<L: Log> Log for WithContext<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.inner.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.inner.enabled(record.metadata()) {
            return self.inner.log(record);
        }
        let ambient = Pairs::collect(self.copying, |name| self.admit(name, record));
        if ambient.is_empty() {
            return self.inner.log(record);
        }
        let both = Both { own: record.key_values(), ambient: &ambient };
        self.inner.log(&record.to_builder().key_values(&both).build());
    }

    fn flush(&self) {
        self.inner.flush();
    }
}

/// A record's own key-values, then the ambient ones.
struct Both<'a> {
    own: &'a dyn Source,
    ambient: &'a Pairs,
}

impl Source for Both<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        self.own.visit(visitor)?;
        self.ambient.iter().try_for_each(|(name, value)| visitor.visit_pair(Key::from_str(name), handed_on(value)))
    }
}

fn handed_on(value: Value<'_>) -> KvValue<'_> {
    match value {
        Value::Str(v) | Value::Text(v) => v.into(),
        Value::I64(v) => v.into(),
        Value::U64(v) => v.into(),
        Value::F64(v) => v.into(),
        Value::Bool(v) => v.into(),
    }
}

fn one_line(name: &'static str) -> Cow<'static, str> {
    if !name.contains(Shown::is_unsafe) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::new();
    // Writing to a string cannot fail.
    let _ = OneLine(&mut escaped).write_str(name);
    Cow::Owned(escaped)
}
