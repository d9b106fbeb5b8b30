//! What the tests of `tracing` lines share: a place where lines go, and a subscriber builder that writes there.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::format::{DefaultFields, Format, Full};
use tracing_subscriber::fmt::{MakeWriter, SubscriberBuilder};

/// Everything written so far, shared.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

/// A subscriber under construction that writes plain text without times to [`Lines`].
pub(crate) type Builder =
    SubscriberBuilder<DefaultFields, Format<Full, ()>, tracing::level_filters::LevelFilter, Lines>;

impl Lines {
    pub(crate) fn builder(&self) -> Builder {
        tracing_subscriber::fmt().without_time().with_ansi(false).with_target(false).with_writer(self.clone())
    }

    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(bytes.clone()).expect("lines are UTF-8")
    }

    /// The lines that contain `mark`, which is unique to a test.
    #[allow(dead_code, reason = "only the binaries that share a process-wide subscriber tell tests apart by it")]
    pub(crate) fn with(&self, mark: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(mark)).map(str::to_owned).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        self.clone()
    }
}
