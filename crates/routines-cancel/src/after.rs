//! Owns callbacks: what is to be called once something is cancelled.

use std::sync::Arc;

use crate::ambient::{self, Ambient};
use crate::cause::Cause;
use crate::node::Node;
use crate::token::Token;

/// Keeps a function registered with [`after_cancel`](crate::after_cancel): dropping it takes the function back.
#[derive(Debug)]
#[must_use = "dropping it takes the function back: keep it, or call `detach`"]
pub struct Stop(Option<Registered>);

struct Registered {
    node: Arc<Node>,
    at: usize,
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registered")
    }
}

impl Stop {
    pub(crate) fn never() -> Stop {
        Stop(None)
    }

    /// Takes the function back; whether it was in time, as Go's `stop` tells: `true` means that it will never be called.
    pub fn stop(mut self) -> bool {
        self.take_back()
    }

    /// Lets the function stay for as long as anybody can cancel what it waits for.
    pub fn detach(mut self) {
        self.0 = None;
    }

    fn take_back(&mut self) -> bool {
        self.0.take().is_some_and(|registered| registered.node.forget(registered.at))
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// Registers `f` bound to the context here, but to no token: that would keep alive the very node that holds the function, and what
/// cleans up after a cancellation must not be cancelled itself.
#[track_caller]
pub(crate) fn register(token: &Token, f: impl FnOnce(&Cause) + Send + 'static) -> Stop {
    let mut f = Some(f);
    let call = move |cause: Cause| {
        if let Some(f) = f.take() {
            f(&cause);
        }
    };
    let mut bound = ambient::key().sync_scope(Ambient::nothing(), || routines::bind_mut(call));
    match token.0.on_cancel(Box::new(move |cause| bound(cause.clone()))) {
        Ok(at) => Stop(Some(Registered { node: token.0.clone(), at })),
        Err((late, cause)) => {
            late(&cause);
            Stop(None)
        }
    }
}
