//! Owns the order of rows, and taking one page of them without sorting the others.

use std::cmp::Ordering;
use std::time::Duration;

use routines::{Kind, RoutineInfo, State};

use super::query::{Query, Sort};

/// The page's rows, in order: linear in `rows`, besides sorting what one page holds.
pub(super) fn page<T>(mut rows: Vec<T>, query: &Query, compare: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    let start = query.page.saturating_mul(query.per_page);
    if start >= rows.len() {
        return Vec::new();
    }
    if start > 0 {
        rows.select_nth_unstable_by(start, &compare);
        rows.drain(..start);
    }
    if rows.len() > query.per_page {
        rows.select_nth_unstable_by(query.per_page, &compare);
        rows.truncate(query.per_page);
    }
    rows.sort_unstable_by(compare);
    rows
}

/// How two routines compare: no two are equal, so that pages of one collection never overlap.
pub(super) fn routines(query: &Query) -> impl Fn(&RoutineInfo, &RoutineInfo) -> Ordering + Copy {
    let (sort, desc) = (query.sort, query.desc);
    move |a, b| {
        let by = |order: Ordering| directed(order, desc);
        let order = match sort {
            Sort::Id | Sort::Count => by(a.id.cmp(&b.id)),
            Sort::Parent => last_if_none(a.parent, b.parent, desc),
            Sort::Kind => by(kind(a.kind).cmp(&kind(b.kind))),
            Sort::Name => last_if_none(a.name.as_deref(), b.name.as_deref(), desc),
            Sort::SpawnedAt => last_if_none(place(&a.spawned_at), place(&b.spawned_at), desc),
            Sort::State => by(state(a.state).cmp(&state(b.state))),
            Sort::Age => by(a.age.cmp(&b.age)),
            Sort::Idle => last_if_none(a.idle, b.idle, desc),
            Sort::Polls => by(a.polls.cmp(&b.polls)),
            Sort::Busy => last_if_none(a.busy, b.busy, desc),
        };
        order.then_with(|| a.id.cmp(&b.id))
    }
}

/// What a group is sorted by.
pub(super) struct GroupKey<'a> {
    pub(super) count: usize,
    pub(super) kind: Kind,
    pub(super) spawned_at: Option<&'a str>,
    pub(super) oldest: Duration,
    pub(super) polls: u64,
    pub(super) busy: Option<Duration>,
}

pub(super) fn groups(query: &Query, a: &GroupKey<'_>, b: &GroupKey<'_>) -> Ordering {
    let by = |order: Ordering| directed(order, query.desc);
    let order = match query.sort {
        Sort::Kind => by(kind(a.kind).cmp(&kind(b.kind))),
        Sort::SpawnedAt => last_if_none(a.spawned_at.map(line), b.spawned_at.map(line), query.desc),
        Sort::Age => by(a.oldest.cmp(&b.oldest)),
        Sort::Polls => by(a.polls.cmp(&b.polls)),
        Sort::Busy => last_if_none(a.busy, b.busy, query.desc),
        Sort::Count => by(a.count.cmp(&b.count)),
        _ => b.count.cmp(&a.count),
    };
    order.then_with(|| (a.spawned_at, kind(a.kind)).cmp(&(b.spawned_at, kind(b.kind))))
}

fn directed(order: Ordering, desc: bool) -> Ordering {
    if desc { order.reverse() } else { order }
}

fn last_if_none<T: Ord>(a: Option<T>, b: Option<T>, desc: bool) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => directed(a.cmp(&b), desc),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

fn place(at: &Option<String>) -> Option<(&str, u32)> {
    at.as_deref().map(line)
}

/// Line 9 comes before line 10.
fn line(at: &str) -> (&str, u32) {
    at.rsplit_once(':').map_or((at, 0), |(file, line)| (file, line.parse().unwrap_or(0)))
}

pub(super) fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::Thread => 0,
        Kind::Task => 1,
        Kind::Job => 2,
        _ => 3,
    }
}

pub(super) fn state(state: State) -> usize {
    match state {
        State::Running => 0,
        State::Idle => 1,
        State::Alive => 2,
        _ => 3,
    }
}
