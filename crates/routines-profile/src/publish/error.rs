//! Owns the reasons why labels cannot be published, each with its remedy.

use std::path::PathBuf;
use std::{error, fmt, io};

use crate::InstallError;

/// Why labels are not published.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// No format is left: neither cargo feature is on, or the publisher leaves out those that are.
    Nothing,
    /// Neither format is defined for this platform.
    Unsupported,
    /// Another reader of labels is installed.
    Reader(InstallError),
    /// The program does not export symbols that readers look for; the text tells what to give the linker.
    NotExported {
        /// The program or library that this code is in.
        module: PathBuf,
        /// What it lacks.
        symbols: Vec<&'static str>,
    },
    /// Another library publishes by this symbol, which both share: it is in use before this crate ever wrote to it.
    Taken {
        /// The symbol.
        symbol: &'static str,
    },
    /// The process has a process context, of another library; there must be only one, and ours names the keys.
    ContextTaken,
    /// The operating system refused.
    Os {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str(
                "no format to publish labels by: turn on the feature `otel-thread-ctx` or `custom-labels` of `routines-profile`",
            ),
            Self::Unsupported => f.write_str("labels are published on Linux only, on x86-64 and aarch64"),
            Self::Reader(error) => error.fmt(f),
            Self::NotExported { module, symbols } => not_exported(f, module, symbols),
            Self::Taken { symbol } => write!(
                f,
                "another library publishes by the symbol `{symbol}`: leave it to that library, or turn it off there"
            ),
            Self::ContextTaken => f.write_str(
                "another library has published an OpenTelemetry process context, of which a process has one: turn it off there, \
                 or use `Publisher::without_thread_context`",
            ),
            Self::Os { what, source } => write!(f, "cannot {what}: {source}"),
        }
    }
}

fn not_exported(f: &mut fmt::Formatter<'_>, module: &std::path::Path, symbols: &[&str]) -> fmt::Result {
    writeln!(f, "{} does not export {}, so no profiler can find the labels.", module.display(), symbols.join(", "))?;
    writeln!(f, "In the `build.rs` of the package with the program's `main`:")?;
    writeln!(f, "    fn main() {{")?;
    for symbol in symbols {
        writeln!(f, "        println!(\"cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={symbol}\");")?;
    }
    writeln!(f, "    }}")?;
    writeln!(f, "or, for everything that is built, in `.cargo/config.toml`:")?;
    writeln!(f, "    [target.'cfg(target_os = \"linux\")']")?;
    let flags: Vec<_> =
        symbols.iter().map(|symbol| format!("\"-C\", \"link-arg=-Wl,--export-dynamic-symbol={symbol}\"")).collect();
    write!(f, "    rustflags = [{}]", flags.join(", "))
}

impl error::Error for PublishError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Reader(error) => Some(error),
            Self::Os { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<InstallError> for PublishError {
    fn from(error: InstallError) -> Self {
        Self::Reader(error)
    }
}
