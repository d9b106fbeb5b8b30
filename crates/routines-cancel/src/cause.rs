//! Owns why something was cancelled.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

/// Why a routine was cancelled: the error of [`check`](crate::check), the output of [`cancelled`](crate::cancelled).
///
/// A child has its parent's cause. Costs at most one reference count to clone.
///
/// ```
/// use routines_cancel::{Cause, with_cancel};
///
/// fn work() -> Result<(), Box<dyn std::error::Error>> {
///     routines_cancel::check()?;
///     Ok(())
/// }
///
/// let token = with_cancel();
/// token.cancel_with("the shop is closing");
/// let error = token.sync_scope(work).unwrap_err();
/// assert_eq!(error.to_string(), "the shop is closing");
/// assert!(matches!(error.downcast_ref(), Some(Cause::Other(_))));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Cause {
    /// Somebody called [`cancel`](crate::Token::cancel).
    Cancelled,
    /// Its time was up.
    DeadlineExceeded,
    /// The client it worked for went away.
    Disconnected,
    /// A [guard](crate::Token::guard) was dropped: what it stood for was given up.
    Dropped,
    /// Anything else, told by who cancelled.
    Other(Arc<dyn Error + Send + Sync>),
}

impl Cause {
    /// A cause of one's own: an error, or a text.
    ///
    /// ```
    /// use routines_cancel::Cause;
    ///
    /// assert_eq!(Cause::other("out of stock").to_string(), "out of stock");
    /// ```
    pub fn other(error: impl Into<Box<dyn Error + Send + Sync>>) -> Cause {
        Cause::Other(Arc::from(error.into()))
    }

    /// Whether it is [`DeadlineExceeded`](Self::DeadlineExceeded): the usual question before a retry.
    pub fn is_deadline(&self) -> bool {
        matches!(self, Cause::DeadlineExceeded)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Cancelled => f.pad("cancelled"),
            Cause::DeadlineExceeded => f.pad("deadline exceeded"),
            Cause::Disconnected => f.pad("the client went away"),
            Cause::Dropped => f.pad("given up"),
            Cause::Other(error) => error.fmt(f),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Cause::Other(error) => error.source(),
            _ => None,
        }
    }
}

impl From<&str> for Cause {
    fn from(text: &str) -> Cause {
        Cause::other(text)
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Cause {
        Cause::other(text)
    }
}

impl From<Box<dyn Error + Send + Sync>> for Cause {
    fn from(error: Box<dyn Error + Send + Sync>) -> Cause {
        Cause::other(error)
    }
}

/// [`TimedOut`](io::ErrorKind::TimedOut) for a deadline, [`Other`](io::ErrorKind::Other) for anything else: not
/// `Interrupted`, which callers take as an invitation to try again.
impl From<Cause> for io::Error {
    fn from(cause: Cause) -> io::Error {
        let kind = if cause.is_deadline() { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
        io::Error::new(kind, cause)
    }
}
