//! Owns which token is current: a derived local of the core, like any user's.

use std::fmt;
use std::sync::OnceLock;

use routines::Local;

use crate::cause::Cause;
use crate::token::Token;

/// Shown in dumps and on pages, and not on log lines: the time left is another one on each.
static CURRENT: Local<Ambient> = Local::new().named_display("deadline").unlogged().derive(Ambient::derive);

/// The cancellation of one routine. Its own node is made when somebody needs it: most routines start nothing and cancel nothing,
/// and only look whether they are cancelled from above.
pub(crate) struct Ambient {
    own: OnceLock<Token>,
    above: Option<Token>,
}

impl Ambient {
    pub(crate) fn of(token: Token) -> Ambient {
        Ambient { own: OnceLock::from(token), above: None }
    }

    /// Of work that nothing cancels.
    pub(crate) fn nothing() -> Ambient {
        Ambient { own: OnceLock::new(), above: None }
    }

    /// A child routine's: below this one's own, so that whoever cancels this routine reaches what it started.
    fn derive(parent: &Ambient) -> Ambient {
        Ambient { own: OnceLock::new(), above: parent.own() }
    }

    /// This routine's own token.
    fn own(&self) -> Option<Token> {
        match self.own.get() {
            Some(own) => Some(own.clone()),
            None => self.above.as_ref().map(|above| self.own.get_or_init(|| above.child()).clone()),
        }
    }

    /// The token that tells what this routine has to know: its own, or the one above while it has none.
    fn nearest(&self) -> Option<&Token> {
        self.own.get().or(self.above.as_ref())
    }
}

impl fmt::Display for Ambient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(token) = self.nearest() else { return f.write_str("none") };
        match (token.cause(), token.remaining()) {
            (Some(Cause::Cancelled), _) => f.write_str("cancelled"),
            (Some(cause), _) => write!(f, "cancelled: {cause}"),
            (None, Some(left)) => write!(f, "{:.3}s left", left.as_secs_f64()),
            (None, None) => f.write_str("none"),
        }
    }
}

/// The key, to bind something in.
pub(crate) fn key() -> &'static Local<Ambient> {
    &CURRENT
}

/// The current routine's own token.
pub(crate) fn own() -> Option<Token> {
    CURRENT.with(Ambient::own).flatten()
}

/// Looks at what cancels the current routine.
pub(crate) fn look<R>(look: impl FnOnce(&Token) -> R) -> Option<R> {
    CURRENT.with(|ambient| ambient.nearest().map(look)).flatten()
}
