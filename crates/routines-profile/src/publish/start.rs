//! Owns the start of publishing: the checks, and their order.

use std::sync::OnceLock;

use super::{PublishError, Published, Publisher, exported};
use crate::record;
use crate::sys::{slot, symbol};

static STARTED: OnceLock<Published> = OnceLock::new();

pub(super) fn install(publisher: Publisher) -> Result<Published, PublishError> {
    let formats = publisher.formats;
    if formats == (Published { thread_context: false, custom_labels: false }) {
        return Err(PublishError::Nothing);
    }
    if !symbol::SUPPORTED {
        return Err(PublishError::Unsupported);
    }
    crate::install()?;
    let appending = record::lock();
    if let Some(started) = STARTED.get() {
        return Ok(*started);
    }
    exported::check(&symbols(formats))?;
    check_free(formats)?;
    #[cfg(feature = "otel-thread-ctx")]
    if formats.thread_context {
        super::context::publish(publisher, &appending)?;
    }
    slot::publish(bits(formats));
    let started = *STARTED.get_or_init(|| formats);
    drop(appending);
    Ok(started)
}

fn symbols(formats: Published) -> Vec<&'static str> {
    let mut symbols = Vec::new();
    #[cfg(feature = "otel-thread-ctx")]
    if formats.thread_context {
        symbols.push(symbol::otel::SYMBOL);
    }
    #[cfg(feature = "custom-labels")]
    if formats.custom_labels {
        symbols.extend([symbol::custom::SYMBOL, symbol::VERSION]);
    }
    symbols
}

fn bits(formats: Published) -> u8 {
    let mut bits = 0;
    #[cfg(feature = "otel-thread-ctx")]
    if formats.thread_context {
        bits |= slot::OTEL;
    }
    #[cfg(feature = "custom-labels")]
    if formats.custom_labels {
        bits |= slot::CUSTOM;
    }
    bits
}

/// Nothing of ours has been written yet, so whatever is there is another library's.
fn check_free(formats: Published) -> Result<(), PublishError> {
    #[cfg(feature = "otel-thread-ctx")]
    if formats.thread_context && !symbol::otel::get().is_null() {
        return Err(PublishError::Taken { symbol: symbol::otel::SYMBOL });
    }
    #[cfg(feature = "custom-labels")]
    if formats.custom_labels && !symbol::custom::get().is_null() {
        return Err(PublishError::Taken { symbol: symbol::custom::SYMBOL });
    }
    #[cfg(feature = "custom-labels")]
    if formats.custom_labels && symbol::version() != 1 {
        return Err(PublishError::Taken { symbol: symbol::VERSION });
    }
    Ok(())
}
