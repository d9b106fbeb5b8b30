//! Owns publishing: showing the current routine's labels to profilers outside the process.
//!
//! Two formats, one cargo feature each, Linux on x86-64 and aarch64 only:
//!
//! - `otel-thread-ctx`: OpenTelemetry's thread context (OTEP 4947), with the key names in the process context (OTEP 4719);
//! - `custom-labels`: the custom-labels ABI, version 1, as Parca's agent reads it.
//!
//! Both are thread-local symbols that the *program* has to export. A library cannot say that to the linker for it, so the program's
//! `build.rs` does:
//!
//! ```no_run
//! println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=otel_thread_ctx_v1");
//! // With the feature `custom-labels`:
//! println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=custom_labels_current_set");
//! println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=custom_labels_abi_version");
//! ```
//!
//! [`install`] looks at the running program's symbols and fails, with these lines in the error's text, if one is missing.
//!
//! The trace a reader connects a sample with comes from labels too: bind locals that are [labelled](routines::Local::labelled) and
//! named `trace_id` (32 hex digits), `span_id` (16) and, if you like, `trace_flags` (2).

#[cfg(all(target_os = "linux", feature = "otel-thread-ctx"))]
mod context;
mod error;
#[cfg(all(target_os = "linux", any(feature = "otel-thread-ctx", feature = "custom-labels")))]
mod exported;
#[cfg(all(target_os = "linux", any(feature = "otel-thread-ctx", feature = "custom-labels")))]
mod start;

pub use error::PublishError;

/// Publishes by every format that is compiled in: [`Publisher::new`] and [`Publisher::install`].
///
/// # Errors
///
/// As [`Publisher::install`].
///
/// ```
/// use routines_profile::publish;
///
/// match publish::install() {
///     Ok(published) => println!("profilers can read labels: {published:?}"),
///     // Worth a line in the log, not the end of the service.
///     Err(error) => println!("labels are not published: {error}"),
/// }
/// ```
pub fn install() -> Result<Published, PublishError> {
    Publisher::new().install()
}

/// What to publish, and how.
///
/// ```
/// use routines_profile::publish::Publisher;
///
/// let publisher = Publisher::new().resource("service.name", "shop").schema_version("tls_v1");
/// # let _ = publisher;
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is published before `install`"]
pub struct Publisher {
    #[cfg_attr(not(all(target_os = "linux", feature = "otel-thread-ctx")), allow(dead_code))]
    schema_version: String,
    #[cfg_attr(not(all(target_os = "linux", feature = "otel-thread-ctx")), allow(dead_code))]
    resource: Vec<(String, String)>,
    formats: Published,
}

/// The formats labels are published by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// OpenTelemetry's thread context, with a process context.
    pub thread_context: bool,
    /// The custom-labels ABI.
    pub custom_labels: bool,
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

impl Publisher {
    /// Every format that is compiled in, and no resource attributes.
    pub fn new() -> Self {
        Publisher {
            schema_version: "tlsdesc_v1_dev".into(),
            resource: Vec::new(),
            formats: Published {
                thread_context: cfg!(feature = "otel-thread-ctx"),
                custom_labels: cfg!(feature = "custom-labels"),
            },
        }
    }

    /// Adds an attribute of the process, such as `service.name`, to its process context.
    pub fn resource(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((name.into(), value.into()));
        self
    }

    /// The schema that the process context names for thread contexts: `tlsdesc_v1_dev` by default.
    ///
    /// The specification means to rename it `tls_v1` once it is stable; what readers in the field accept decides.
    pub fn schema_version(mut self, version: impl Into<String>) -> Self {
        self.schema_version = version.into();
        self
    }

    /// Leaves out the thread context and the process context, such as where an OpenTelemetry SDK publishes them.
    pub fn without_thread_context(mut self) -> Self {
        self.formats.thread_context = false;
        self
    }

    /// Leaves out the custom labels.
    pub fn without_custom_labels(mut self) -> Self {
        self.formats.custom_labels = false;
        self
    }

    /// Publishes, for the rest of the process's life; what is published already by this crate stays as it is, and is returned.
    ///
    /// Call it early in `main`, after [`routines_profile::install`](crate::install) or instead. This thread's labels show at once,
    /// another thread's from its next change of context on. From then on a switch between contexts of different labels stores one
    /// more pointer a format; the first use of a key's name publishes the process context anew, with a few system calls. A child
    /// made by `fork` publishes its own.
    ///
    /// # Errors
    ///
    /// Then nothing is published that was not before: see [`PublishError`].
    pub fn install(self) -> Result<Published, PublishError> {
        #[cfg(all(target_os = "linux", any(feature = "otel-thread-ctx", feature = "custom-labels")))]
        return start::install(self);
        #[cfg(not(all(target_os = "linux", any(feature = "otel-thread-ctx", feature = "custom-labels"))))]
        Err(if self.formats.thread_context || self.formats.custom_labels {
            PublishError::Unsupported
        } else {
            PublishError::Nothing
        })
    }
}
