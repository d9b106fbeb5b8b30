//! Owns how work becomes a routine here, whatever starts it, and the form of every function that starts some.

use std::future::Future;

use routines::{Carried, Kind, RoutineBuilder};

use crate::hooks::Wrapped;
use crate::policy::Relation;

/// What the code that starts work says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How<'a> {
    pub(crate) relation: Relation,
    pub(crate) name: Option<&'a str>,
}

impl How<'_> {
    pub(crate) const INHERIT: Self = How { relation: Relation::Inherit, name: None };
    pub(crate) const DETACHED: Self = How { relation: Relation::Detached, name: None };

    #[inline]
    #[track_caller]
    fn routine(self, kind: Kind) -> RoutineBuilder {
        crate::install();
        let routine = RoutineBuilder::new(kind);
        let routine = match self.relation {
            Relation::Inherit => routine,
            Relation::Detached => routine.detached(),
        };
        match self.name {
            Some(name) => routine.name(name),
            None => routine,
        }
    }
}

/// Makes the future a routine, to be given to one of tokio's functions while the second lives.
///
/// It is given by the user's callee itself, not by a closure passed here: so tokio learns the line of the user too.
#[inline]
#[track_caller]
pub(crate) fn task<F: Future>(how: How<'_>, future: F) -> (Carried<F>, Wrapped) {
    (how.routine(Kind::Task).future(future), Wrapped::begin())
}

/// Makes the closure a routine, for the blocking pool.
#[inline]
#[track_caller]
pub(crate) fn job<F, R>(how: How<'_>, f: F) -> impl FnOnce() -> R + use<F, R>
where
    F: FnOnce() -> R,
{
    how.routine(Kind::Job).job(f)
}

/// Writes each function that starts work twice: as it is, where the work inherits, and its twin, where it does not. The one
/// body is given what makes the difference.
macro_rules! twins {
    ($(
        $(#[$attribute:meta])*
        pub fn $name:ident / $twin:ident <$($generic:ident),+> ($($argument:tt)*) -> $returned:ty
        where { $($bound:tt)* }
        with $how:ident $body:block
    )+) => {$(
        $(#[$attribute])*
        #[track_caller]
        pub fn $name<$($generic),+>($($argument)*) -> $returned
        where
            $($bound)*
        {
            let $how = $crate::start::How::INHERIT;
            $body
        }

        #[doc = concat!("As `", stringify!($name), "`, starting with an empty context.")]
        #[track_caller]
        pub fn $twin<$($generic),+>($($argument)*) -> $returned
        where
            $($bound)*
        {
            let $how = $crate::start::How::DETACHED;
            $body
        }
    )+};
}
pub(crate) use twins;
