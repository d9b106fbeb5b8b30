//! Owns companions: other libraries' ambient state, which travels with routines.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// Another library's ambient state, to be carried along by everything that inherits a context here.
///
/// Registered once with [`register`]. `capture` runs in the parent whenever work is started that inherits.
pub trait Companion: Send + Sync + 'static {
    /// Takes what is current now; `None` if there is nothing to carry, which costs nothing later.
    fn capture(&self) -> Option<Box<dyn Passenger>>;
}

/// What a [`Companion`] captured: made current around every run of the child - each poll, the job, the drop.
///
/// `enter` and its `leave` run on the same thread, nested like brackets with those of other work.
pub trait Passenger: Send {
    /// Makes it current.
    fn enter(&mut self);
    /// Puts back what was current before.
    fn leave(&mut self);
}

static ANY: AtomicBool = AtomicBool::new(false);
static COMPANIONS: RwLock<Vec<&'static dyn Companion>> = RwLock::new(Vec::new());

/// Registers a companion, for the rest of the process: from now on it travels.
pub fn register(companion: impl Companion) {
    COMPANIONS.write().unwrap_or_else(PoisonError::into_inner).push(Box::leak(Box::new(companion)));
    ANY.store(true, Ordering::Release);
}

/// Whether any companion is registered.
#[inline]
pub fn any() -> bool {
    ANY.load(Ordering::Acquire)
}

/// What all companions captured: for a runtime's own crate. One word.
#[derive(Default)]
pub struct Captured(Option<Box<Vec<Box<dyn Passenger>>>>);

impl Captured {
    /// Nothing.
    pub const fn none() -> Captured {
        Captured(None)
    }

    /// Whether there is nothing to enter.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Asks every companion. One load if none is registered.
    #[inline]
    pub fn capture() -> Captured {
        if any() { Captured::ask() } else { Captured::none() }
    }

    #[inline(never)]
    fn ask() -> Captured {
        let companions = COMPANIONS.read().unwrap_or_else(PoisonError::into_inner).clone();
        // No lock is held: a companion is user code.
        let passengers: Vec<_> = companions.iter().filter_map(|companion| companion.capture()).collect();
        Captured((!passengers.is_empty()).then(|| Box::new(passengers)))
    }

    /// Enters all, in the order of registration. If one panics, those entered already are left.
    pub fn enter(&mut self) {
        struct Undo<'a>(&'a mut [Box<dyn Passenger>], usize);
        impl Drop for Undo<'_> {
            fn drop(&mut self) {
                self.0[..self.1].iter_mut().rev().for_each(|passenger| passenger.leave());
            }
        }
        let Some(passengers) = &mut self.0 else { return };
        let mut undo = Undo(passengers.as_mut_slice(), 0);
        while let Some(passenger) = undo.0.get_mut(undo.1) {
            passenger.enter();
            undo.1 += 1;
        }
        std::mem::forget(undo);
    }

    /// Leaves all, in the opposite order.
    pub fn leave(&mut self) {
        if let Some(passengers) = &mut self.0 {
            passengers.iter_mut().rev().for_each(|passenger| passenger.leave());
        }
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Captured").field(&self.0.as_ref().map_or(0, |all| all.len())).finish()
    }
}
