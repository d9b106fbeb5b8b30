//! Owns the bridges to and from tokio-util's `CancellationToken`.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::node::{Dependent, Node};
use crate::timer;
use crate::token::Token;

impl Token {
    /// A new child of the current token that is cancelled when `theirs` is, too: there by another thread, soon after.
    ///
    /// It costs no task: it waits in `theirs` like any other task that does, until its last handle is gone.
    ///
    /// ```
    /// use routines_cancel::Token;
    /// use tokio_util::sync::CancellationToken;
    ///
    /// let theirs = CancellationToken::new();
    /// let ours = Token::following(&theirs);
    /// theirs.cancel();
    /// ours.wait();
    /// ```
    ///
    /// # Panics
    ///
    /// As [`child_with_timeout`](Self::child_with_timeout).
    pub fn following(theirs: &CancellationToken) -> Token {
        let ours = crate::with_cancel();
        // Below what is cancelled it is nobody's own.
        if ours.is_cancelled() {
            return ours;
        }
        timer::start();
        let wait = Mutex::new(Some(Box::pin(theirs.clone().cancelled_owned())));
        let follower = Arc::new(Follower { node: Arc::downgrade(&ours.0), wait });
        let late = follower.look(&Waker::from(follower.clone()));
        let _ = ours.0.bridges.follower.set(Following(follower));
        if late {
            ours.cancel();
        }
        ours
    }

    /// A token of tokio-util's that is cancelled when this one is. Cancelling it does not cancel this one.
    ///
    /// The first costs a callback, which stays; each is a child token of that one.
    ///
    /// ```
    /// use routines_cancel::Token;
    ///
    /// let ours = Token::new();
    /// let theirs = ours.to_tokio();
    /// ours.cancel();
    /// assert!(theirs.is_cancelled());
    /// ```
    pub fn to_tokio(&self) -> CancellationToken {
        let told = self.0.bridges.told.get_or_init(|| {
            let told = CancellationToken::new();
            let theirs = told.clone();
            // Bound to no context: it would keep the values of whoever asked first.
            let callback = Dependent::Callback(Box::new(move |_| theirs.cancel()));
            if let Err((late, cause)) = self.0.add(callback) {
                late.call(&cause);
            }
            told
        });
        told.child_token()
    }
}

/// What ties one node to tokens of tokio-util's.
#[derive(Default)]
pub(crate) struct Bridges {
    /// The one that is cancelled with the node.
    told: OnceLock<CancellationToken>,
    follower: OnceLock<Following>,
}

impl Bridges {
    pub(crate) fn follow(&self) -> bool {
        self.follower.get().is_some()
    }
}

/// A waiter in somebody else's token, without a task.
struct Follower {
    node: Weak<Node>,
    wait: Mutex<Option<Pin<Box<WaitForCancellationFutureOwned>>>>,
}

impl Follower {
    fn look(&self, waker: &Waker) -> bool {
        let mut wait = self.wait.lock().unwrap_or_else(PoisonError::into_inner);
        wait.as_mut().is_some_and(|wait| wait.as_mut().poll(&mut Context::from_waker(waker)) == Poll::Ready(()))
    }
}

impl Wake for Follower {
    /// Called by the one who cancels, who may hold locks: neither asks nor calls anything here.
    fn wake(self: Arc<Self>) {
        timer::cancel_soon(self.node.clone());
    }
}

/// Ends the wait: it and its waker hold each other.
struct Following(Arc<Follower>);

impl Drop for Following {
    fn drop(&mut self) {
        let ended = self.0.wait.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(ended);
    }
}
