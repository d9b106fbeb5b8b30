//! Owns environment variables as carriers: read from this process, written for its children.

use http::HeaderName;

use super::{Extract, Inject, Text};

/// The environment of this process, as whoever started it left it: `traceparent` is read from `TRACEPARENT`, `x-request-id` from
/// `X_REQUEST_ID`, as [OpenTelemetry](https://opentelemetry.io/docs/specs/otel/context/env-carriers/) has it.
///
/// Read it once, when the process starts. Writing goes to a [`Command`](std::process::Command) and never to this process.
///
/// ```
/// use routines_http::carrier::{Env, Extract, Inject};
/// use std::process::Command;
///
/// let mut child = Command::new("worker");
/// child.set(&http::HeaderName::from_static("x-request-id"), "7f0c-42")?;
/// assert!(child.get_envs().any(|(name, _)| name == "X_REQUEST_ID"));
///
/// let mut ours = None;
/// Env.each("x-request-id", &mut |value| ours = Some(value.to_vec()));
/// assert_eq!(ours, None);
/// # Ok::<(), routines_http::carrier::BadValue>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Env;

impl Extract for Env {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        let Ok(name) = HeaderName::try_from(name) else { return };
        if let Some(value) = std::env::var_os(variable(&name)) {
            visit(value.as_encoded_bytes());
        }
    }
}

/// Only for the child: what this process inherited itself is replaced or withheld.
impl Inject for std::process::Command {
    fn put(&mut self, name: &HeaderName, value: Text<'_>) {
        self.env(variable(name), &*value);
    }

    fn remove(&mut self, name: &HeaderName) {
        self.env_remove(variable(name));
    }
}

/// Only for the child: what this process inherited itself is replaced or withheld.
#[cfg(feature = "tokio")]
impl Inject for tokio::process::Command {
    fn put(&mut self, name: &HeaderName, value: Text<'_>) {
        self.as_std_mut().put(name, value);
    }

    fn remove(&mut self, name: &HeaderName) {
        Inject::remove(self.as_std_mut(), name);
    }
}

/// Upper case, `_` for all that shells do not take in names, and none starts with a digit.
fn variable(name: &HeaderName) -> String {
    let name = name.as_str();
    let shell = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let digit = name.starts_with(|c: char| c.is_ascii_digit());
    digit.then_some('_').into_iter().chain(name.chars().map(shell)).collect()
}
