//! What we asked of ourselves before anything was measured, and whether it is so.

use crate::group::Group;
use crate::report::figure;
use crate::rows::Row;

/// The peer whose rows are held against the targets.
pub(crate) const OURS: &str = "routines";

/// How a limit is to be read.
#[derive(Clone, Copy)]
enum Unit {
    /// At most so many times `rand::random::<u64>()`.
    Rand,
    /// At most so many nanoseconds.
    Nanos,
    /// At most so many percent more than without.
    Percent,
    /// At least so many times as fast on two threads as on one.
    TimesOneThread,
}

/// One thing asked.
struct Target {
    group: Group,
    case: &'static str,
    unit: Unit,
    must: f64,
    aim: Option<f64>,
}

const fn rand(group: Group, case: &'static str, must: f64, aim: Option<f64>) -> Target {
    Target { group, case, unit: Unit::Rand, must, aim }
}

const fn nanos(group: Group, case: &'static str, must: f64) -> Target {
    Target { group, case, unit: Unit::Nanos, must, aim: None }
}

const fn both(case: &'static str) -> Target {
    Target { group: Group::Threads, case, unit: Unit::TimesOneThread, must: 1.9, aim: None }
}

const TARGETS: [Target; 36] = [
    rand(Group::Id, "id", 0.15, None),
    rand(Group::Get, "1 value", 0.25, Some(0.17)),
    rand(Group::Get, "8 values", 0.25, Some(0.17)),
    rand(Group::Get, "64 values", 0.25, Some(0.17)),
    rand(Group::Get, "64 values, miss", 0.25, Some(0.17)),
    rand(Group::Get, "64 scopes deep", 0.25, Some(0.17)),
    rand(Group::Get, "64 scopes deep, miss", 0.25, Some(0.17)),
    rand(Group::TaskId, "id", 0.25, Some(0.19)),
    rand(Group::TaskGet, "1 value", 0.35, Some(0.25)),
    rand(Group::TaskGet, "8 values", 0.35, Some(0.25)),
    rand(Group::TaskGet, "64 values", 0.35, Some(0.25)),
    rand(Group::Set, "u64", 0.4, None),
    rand(Group::Set, "String", 1.5, None),
    rand(Group::Scope, "u64", 2.0, Some(0.5)),
    rand(Group::Scope, "String", 2.0, None),
    rand(Group::Scope, "named u64", 6.0, Some(4.0)),
    rand(Group::Scope, "named String", 6.0, Some(4.0)),
    rand(Group::Snapshot, "1 value", 1.6, None),
    rand(Group::Snapshot, "8 values", 1.6, None),
    rand(Group::Snapshot, "64 values", 1.6, None),
    rand(Group::FirstSet, "1 value", 5.0, None),
    rand(Group::FirstSet, "8 values", 5.0, None),
    rand(Group::FirstSet, "64 values", 5.0, None),
    rand(Group::Poll, "1 value", 0.5, Some(0.15)),
    rand(Group::Poll, "64 values", 0.5, Some(0.15)),
    rand(Group::TaskPoll, "64 values", 0.5, Some(0.15)),
    Target { group: Group::Spawn, case: "1 value", unit: Unit::Percent, must: 8.0, aim: Some(5.0) },
    Target { group: Group::Spawn, case: "8 values", unit: Unit::Percent, must: 8.0, aim: Some(5.0) },
    Target { group: Group::Spawn, case: "64 values", unit: Unit::Percent, must: 8.0, aim: Some(5.0) },
    nanos(Group::Cancel, "check, nothing cancelled", 2.0),
    nanos(Group::TaskCancel, "check, nothing cancelled", 2.0),
    both("id, two threads"),
    both("get, two threads"),
    both("set, two threads"),
    both("scope, two threads"),
    both("spawn + join, two threads"),
];

/// The table of targets: what was asked, what is so.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "### What was asked, and what is so\n\n| table | case | must | aim | is | |\n| --- | --- | ---: | ---: | ---: | --- |\n",
    );
    for target in &TARGETS {
        if let Some(is) = value(target, rows) {
            text += &line(target, is);
        }
    }
    // A run of a part has none of them.
    if TARGETS.iter().all(|target| value(target, rows).is_none()) {
        return String::new();
    }
    text.push('\n');
    text
}

fn value(target: &Target, rows: &[Row]) -> Option<f64> {
    let row = rows.iter().find(|row| row.group == target.group && row.case == target.case && row.peer == OURS)?;
    match target.unit {
        Unit::Rand => Some(row.x_rand),
        Unit::Nanos => Some(row.ns),
        Unit::Percent => Some((row.against? - 1.0) * 100.0),
        Unit::TimesOneThread => row.against,
    }
}

fn line(target: &Target, is: f64) -> String {
    let show = |value: f64| match target.unit {
        Unit::Rand => format!("{} xR", figure(value)),
        Unit::Nanos => format!("{} ns", figure(value)),
        Unit::Percent => format!("{value:+.0} %"),
        Unit::TimesOneThread => format!("{value:.2}x"),
    };
    let meets = |limit: f64| match target.unit {
        Unit::Rand | Unit::Nanos | Unit::Percent => is <= limit,
        Unit::TimesOneThread => is >= limit,
    };
    let verdict = match (meets(target.must), target.aim.map(meets)) {
        (false, _) => "**missed**",
        (true, Some(true)) => "aim met",
        (true, _) => "met",
    };
    let aim = target.aim.map(show).unwrap_or_default();
    format!(
        "| {} | {} | {} | {aim} | {} | {verdict} |\n",
        target.group.slug(),
        target.case,
        show(target.must),
        show(is)
    )
}
