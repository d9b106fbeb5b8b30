//! Owns callbacks: what is to be called once something is cancelled.

use crate::ambient::{self, Ambient};
use crate::cause::Cause;
use crate::node::Dependent;
use crate::token::Token;

/// Keeps a function registered with [`after_cancel`](crate::after_cancel): dropping it takes the function back.
#[derive(Debug)]
#[must_use = "dropping it takes the function back: keep it, or call `detach`"]
pub struct Stop(Registered);

#[derive(Debug)]
enum Registered {
    At(Token, usize),
    /// With nothing that could cancel it.
    Nowhere,
    Called,
}

impl Stop {
    pub(crate) fn never() -> Stop {
        Stop(Registered::Nowhere)
    }

    /// Takes the function back; whether it was in time, as Go's `stop` tells: `true` means that it will never be called, `false` that it
    /// has been, or is being called by another thread.
    pub fn stop(mut self) -> bool {
        self.take_back()
    }

    /// Lets the function stay for as long as anybody can cancel what it waits for. One that holds the very token it waits for keeps
    /// that, and itself, until it is cancelled.
    pub fn detach(mut self) {
        self.0 = Registered::Called;
    }

    fn take_back(&mut self) -> bool {
        match std::mem::replace(&mut self.0, Registered::Called) {
            Registered::At(token, at) => token.0.forget(at),
            Registered::Nowhere => true,
            Registered::Called => false,
        }
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// Registers `f` bound to the context here, but to no token: that would keep alive the very node that holds the function, and what
/// cleans up after a cancellation must not be cancelled itself.
pub(crate) fn register(token: &Token, f: impl FnOnce(&Cause) + Send + 'static) -> Stop {
    let mut f = Some(f);
    let call = move |cause: Cause| {
        if let Some(f) = f.take() {
            f(&cause);
        }
    };
    let mut bound = ambient::key().sync_scope(Ambient::nothing(), || routines::bind_mut(call));
    match token.0.add(Dependent::Callback(Box::new(move |cause| bound(cause.clone())))) {
        Ok(at) => Stop(Registered::At(token.clone(), at)),
        Err((late, cause)) => {
            late.call(&cause);
            Stop(Registered::Called)
        }
    }
}
