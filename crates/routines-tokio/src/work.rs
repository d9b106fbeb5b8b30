//! Owns what all ways to start work have in common: the routine around a future or a closure.

use std::future::Future;

use routines::{Carried, Kind, RoutineBuilder};

use crate::Relation;

/// A future that is a routine from now on, spawned at the caller's line.
#[track_caller]
pub(crate) fn task<F: Future>(relation: Relation, future: F) -> Carried<F> {
    routine(Kind::Task, relation, None).future(future)
}

/// A closure that is a routine from now on.
#[track_caller]
pub(crate) fn job<F, R>(relation: Relation, f: F) -> impl FnOnce() -> R + use<F, R>
where
    F: FnOnce() -> R,
{
    routine(Kind::Job, relation, None).job(f)
}

/// A routine to come.
#[track_caller]
pub(crate) fn routine(kind: Kind, relation: Relation, name: Option<&str>) -> RoutineBuilder {
    crate::install();
    let routine = RoutineBuilder::new(kind);
    let routine = if relation == Relation::Detached { routine.detached() } else { routine };
    match name {
        Some(name) => routine.name(name),
        None => routine,
    }
}
