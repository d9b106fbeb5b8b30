//! Owns groups of routines that were spawned at one line, and their text in the shape of Go's `debug=1`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::time::Duration;

use routines::{Kind, RoutineInfo, State};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Serialize, ser::SerializeMap};

use super::filter::shown;
use super::order::{self, GroupKey};
use super::query::Query;
use super::text::{coarse, place, quoted};

/// How many of the commonest values of a name are shown.
const COMMONEST: usize = 5;

/// Differs in almost every routine, so that counting it says nothing.
const DEADLINE: &str = "deadline";

/// Routines of one kind, spawned at one line.
pub(super) struct Group<'a> {
    members: Vec<&'a RoutineInfo>,
}

/// Groups what it is given, in no particular order.
pub(super) fn of<'a>(all: impl Iterator<Item = &'a RoutineInfo>) -> Vec<Group<'a>> {
    let mut groups: HashMap<(Option<&str>, u8), Group<'a>> = HashMap::new();
    for info in all {
        let group = groups.entry((info.spawned_at.as_deref(), order::kind(info.kind)));
        group.or_insert_with(|| Group { members: Vec::new() }).members.push(info);
    }
    groups.into_values().collect()
}

impl<'a> Group<'a> {
    fn first(&self) -> &'a RoutineInfo {
        self.members[0]
    }

    fn kind(&self) -> Kind {
        self.first().kind
    }

    fn spawned_at(&self) -> Option<&'a str> {
        self.first().spawned_at.as_deref()
    }

    fn oldest(&self) -> Duration {
        self.members.iter().map(|info| info.age).max().unwrap_or_default()
    }

    fn polls(&self) -> u64 {
        self.members.iter().map(|info| info.polls).sum()
    }

    fn busy(&self) -> Option<Duration> {
        self.members.iter().filter_map(|info| info.busy).reduce(Duration::saturating_add)
    }

    fn states(&self) -> Vec<(State, usize)> {
        let mut states: Vec<(State, usize)> = Vec::new();
        for info in &self.members {
            match states.iter_mut().find(|(state, _)| *state == info.state) {
                Some((_, count)) => *count += 1,
                None => states.push((info.state, 1)),
            }
        }
        states.sort_by_key(|(state, _)| order::state(*state));
        states
    }

    /// Per name how often each value occurs.
    fn values(&self) -> BTreeMap<&'a str, Counted<'a>> {
        let mut counts: BTreeMap<&str, HashMap<Cow<'_, str>, usize>> = BTreeMap::new();
        for (name, value) in self.members.iter().flat_map(|info| &info.values).filter(|(name, _)| name != DEADLINE) {
            *counts.entry(name).or_default().entry(shown(value)).or_default() += 1;
        }
        counts.into_iter().map(|(name, seen)| (name, Counted::new(seen))).collect()
    }

    pub(super) fn key(&self) -> GroupKey<'a> {
        GroupKey {
            count: self.members.len(),
            kind: self.kind(),
            spawned_at: self.spawned_at(),
            oldest: self.oldest(),
            polls: self.polls(),
            busy: self.busy(),
        }
    }
}

/// The values of one name.
#[derive(Serialize)]
struct Counted<'a> {
    distinct: usize,
    commonest: Vec<(Cow<'a, str>, usize)>,
}

impl<'a> Counted<'a> {
    fn new(seen: HashMap<Cow<'a, str>, usize>) -> Self {
        let distinct = seen.len();
        let mut commonest: Vec<_> = seen.into_iter().collect();
        let by_count = |a: &(Cow<'_, str>, usize), b: &(Cow<'_, str>, usize)| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0));
        if distinct > COMMONEST {
            commonest.select_nth_unstable_by(COMMONEST, by_count);
            commonest.truncate(COMMONEST);
        }
        commonest.sort_unstable_by(by_count);
        Counted { distinct, commonest }
    }
}

impl Serialize for Group<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut group = to.serialize_struct("Group", 8)?;
        group.serialize_field("spawned_at", &self.spawned_at())?;
        group.serialize_field("kind", &self.kind())?;
        group.serialize_field("count", &self.members.len())?;
        group.serialize_field("states", &States(self.states()))?;
        group.serialize_field("oldest_ms", &millis(self.oldest()))?;
        group.serialize_field("polls", &self.polls())?;
        group.serialize_field("busy_us", &self.busy().map(|busy| busy.as_micros() as u64))?;
        group.serialize_field("values", &self.values())?;
        group.end()
    }
}

struct States(Vec<(State, usize)>);

impl Serialize for States {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut states = to.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(state, count)| states.serialize_entry(state, count))?;
        states.end()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// All groups, the largest first.
pub(super) fn text(all: &[RoutineInfo]) -> String {
    let mut text = format!("routine profile: total {}\n", all.len());
    let mut groups = of(all.iter());
    groups.sort_by(|a, b| order::groups(&Query::default(), &a.key(), &b.key()));
    for group in &groups {
        // Writing to a String does not fail.
        let _ = write_group(&mut text, group);
    }
    text
}

fn write_group(to: &mut String, group: &Group<'_>) -> std::fmt::Result {
    let at = group.spawned_at().map_or("unknown".into(), place);
    write!(to, "{} @ {at} [", group.members.len())?;
    let states = group.states();
    for (index, (state, count)) in states.iter().enumerate() {
        write!(to, "{}{state}", if index == 0 { "" } else { ", " })?;
        if states.len() > 1 {
            write!(to, " {count}")?;
        }
    }
    write!(to, "] {}, oldest {}, {} polls", group.kind(), coarse(group.oldest()), group.polls())?;
    if let Some(busy) = group.busy() {
        write!(to, ", busy {busy:.1?}")?;
    }
    to.push('\n');
    for (name, values) in group.values() {
        write!(to, "#\t{}: ", quoted(name))?;
        for (index, (value, count)) in values.commonest.iter().enumerate() {
            write!(to, "{}{} {count}", if index == 0 { "" } else { ", " }, quoted(value))?;
        }
        match values.distinct - values.commonest.len() {
            0 => to.push('\n'),
            more => writeln!(to, ", {more} more values")?,
        }
    }
    Ok(())
}
