//! Owns the installation of this crate as the process's reader of labels.

use std::{error, fmt};

use crate::{heap, record};

/// Installs this crate as the process's one reader of labels; again: changes nothing.
///
/// Call it first in `main`: labels that are bound already are seen when one of them is next bound. Profiles and publishing call it
/// themselves. From then on each change of a label builds a record (tens of nanoseconds), and each switch between contexts of
/// different labels stores its address.
///
/// # Errors
///
/// Another reader of labels is installed.
///
/// ```
/// # fn main() -> Result<(), routines_profile::InstallError> {
/// routines_profile::install()?;
/// # Ok(()) }
/// ```
pub fn install() -> Result<(), InstallError> {
    heap::install();
    if record::install() { Ok(()) } else { Err(InstallError) }
}

/// Another reader of labels is installed: a process has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstallError;

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another reader of labels was given to `routines::label::install` before: a process has one")
    }
}

impl error::Error for InstallError {}
