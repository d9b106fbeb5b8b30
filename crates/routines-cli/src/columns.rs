//! Owns the columns: their titles, which of them a width has room for, and what each tells of a line.

use std::time::Duration;

use routines::NamedValue;

use crate::fetch::Line;
use crate::query::{Shape, Sort};
use crate::text::{self, Plain};
use crate::wire::{Group, Row};

/// What a column tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Id,
    Kind,
    Name,
    State,
    Age,
    Idle,
    Polls,
    Busy,
    Deadline,
    Values,
    Location,
    Count,
}

/// A column's place in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) column: Column,
    pub(crate) title: &'static str,
    pub(crate) sort: Option<Sort>,
    pub(crate) width: u16,
    /// Its share of what is left over.
    grows: u16,
    pub(crate) numeric: bool,
}

const fn spec(column: Column, title: &'static str, sort: Option<Sort>, width: u16, grows: u16, numeric: bool) -> Spec {
    Spec { column, title, sort, width, grows, numeric }
}

const ROUTINES: [Spec; 11] = [
    spec(Column::Id, "Id", Some(Sort::Id), 6, 0, true),
    spec(Column::Kind, "Kind", Some(Sort::Kind), 6, 0, false),
    spec(Column::Name, "Name", Some(Sort::Name), 10, 1, false),
    spec(Column::State, "State", Some(Sort::State), 7, 0, false),
    spec(Column::Age, "Age", Some(Sort::Age), 5, 0, true),
    spec(Column::Idle, "iDle", Some(Sort::Idle), 5, 0, true),
    spec(Column::Polls, "Polls", Some(Sort::Polls), 6, 0, true),
    spec(Column::Busy, "Busy", Some(Sort::Busy), 6, 0, true),
    spec(Column::Deadline, "deadline", None, 9, 0, true),
    spec(Column::Values, "values", None, 18, 3, false),
    spec(Column::Location, "Location", Some(Sort::SpawnedAt), 16, 2, false),
];

const GROUPS: [Spec; 8] = [
    spec(Column::Count, "Count", Some(Sort::Count), 7, 0, true),
    spec(Column::Kind, "Kind", Some(Sort::Kind), 6, 0, false),
    spec(Column::State, "states", None, 12, 0, false),
    spec(Column::Age, "Age", Some(Sort::Age), 5, 0, true),
    spec(Column::Polls, "Polls", Some(Sort::Polls), 6, 0, true),
    spec(Column::Busy, "Busy", Some(Sort::Busy), 6, 0, true),
    spec(Column::Location, "Location", Some(Sort::SpawnedAt), 16, 2, false),
    spec(Column::Values, "values", None, 12, 3, false),
];

/// What goes first where there is no room for all.
const DISPENSABLE: [Column; 7] =
    [Column::Polls, Column::Idle, Column::Deadline, Column::Busy, Column::Kind, Column::Name, Column::Age];

/// The columns a width has room for, with the widths they get; `first` is what the first one needs.
pub(crate) fn fit(shape: Shape, shift: usize, first: u16, width: u16) -> Vec<Spec> {
    let all: &[Spec] = if shape == Shape::Groups { &GROUPS } else { &ROUTINES };
    let shift = shift.min(all.len() - 2);
    let mut columns: Vec<Spec> = all[..1].iter().chain(&all[1 + shift..]).copied().collect();
    columns[0].width = columns[0].width.max(first);
    // Which line started it is told by the groups, and by the details of a routine.
    let place = [Column::Location].into_iter().filter(|_| shape != Shape::Groups && shift == 0);
    for dispensable in place.chain(DISPENSABLE) {
        if total(&columns) <= width {
            break;
        }
        columns.retain(|spec| spec.column != dispensable);
    }
    while columns.len() > 1 && total(&columns) > width {
        columns.pop();
    }
    grow(&mut columns, width);
    columns
}

/// With a space between any two.
fn total(columns: &[Spec]) -> u16 {
    columns.iter().map(|spec| spec.width).sum::<u16>() + columns.len() as u16 - 1
}

fn grow(columns: &mut [Spec], width: u16) {
    let mut left = width.saturating_sub(total(columns));
    let mut shares: u16 = columns.iter().map(|spec| spec.grows).sum();
    for spec in columns.iter_mut().filter(|spec| spec.grows > 0) {
        let more = left * spec.grows / shares;
        (spec.width, left, shares) = (spec.width + more, left - more, shares - spec.grows);
    }
}

/// What a column says of a line. Safe to show.
pub(crate) fn cell(column: Column, line: &Line, tree: bool) -> Plain {
    match line {
        Line::Routine { row, depth, open } if tree && column == Column::Id => Plain::new(&branch(row, *depth, *open)),
        Line::Routine { row, .. } => of_routine(column, row),
        Line::More { depth, count, .. } if column == Column::Id => Plain::new(&more(*depth, *count)),
        Line::More { .. } => Plain::default(),
        Line::Group(group) => of_group(column, group),
    }
}

/// Deeper branches are not moved further to the right.
const DEEPEST: usize = 8;

fn branch(row: &Row, depth: usize, open: bool) -> String {
    let mark = match (open, row.children) {
        (true, _) => "▾ ",
        (false, 1..) => "▸ ",
        (false, 0) => "  ",
    };
    format!("{:indent$}{mark}{}", "", row.info.id, indent = depth.min(DEEPEST) * 2)
}

fn more(depth: usize, count: u64) -> String {
    format!("{:indent$}… {} more", "", text::grouped(count), indent = depth.min(DEEPEST) * 2)
}

fn of_routine(column: Column, row: &Row) -> Plain {
    let info = &row.info;
    let text = match column {
        Column::Kind => info.kind.to_string(),
        Column::Name => info.name.clone().unwrap_or_default(),
        Column::State => info.state.to_string(),
        Column::Age => text::age(info.age),
        Column::Idle => info.idle.map(text::age).unwrap_or_default(),
        Column::Polls => text::count(info.polls),
        Column::Busy => info.busy.map(text::busy).unwrap_or_default(),
        Column::Deadline => deadline(row),
        Column::Values => values(row),
        Column::Location => info.spawned_at.clone().unwrap_or_default(),
        Column::Id => info.id.to_string(),
        Column::Count => String::new(),
    };
    Plain::new(&text)
}

fn of_group(column: Column, group: &Group) -> Plain {
    let text = match column {
        Column::Count => text::grouped(group.count),
        Column::Kind => group.kind.clone(),
        Column::State => group.states(),
        Column::Age => text::age(Duration::from_millis(group.oldest_ms)),
        Column::Polls => text::count(group.polls),
        Column::Busy => group.busy_us.map(|busy| text::busy(Duration::from_micros(busy))).unwrap_or_default(),
        Column::Location => group.spawned_at.clone().unwrap_or_default(),
        Column::Values => group.values().collect::<Vec<_>>().join("; "),
        _ => String::new(),
    };
    Plain::new(&text)
}

/// The name under which a deadline is among the values.
const DEADLINE: &str = "deadline";

/// The word that matters: `1.204s left` is a time in its column, whatever cancelled is told in full by the details.
fn deadline(row: &Row) -> String {
    match row.info.values.iter().find(|(name, _)| name == DEADLINE) {
        Some((_, NamedValue::Str(text))) if text != "none" => {
            let text = text.strip_suffix(" left").unwrap_or(text);
            text.split(':').next().unwrap_or(text).to_owned()
        }
        _ => String::new(),
    }
}

fn values(row: &Row) -> String {
    let values = row.info.values.iter().filter(|(name, _)| name != DEADLINE);
    let values: Vec<_> = values.map(|(name, value)| format!("{name}={}", shown(value))).collect();
    values.join(" ")
}

/// A named value as text; still to be escaped.
pub(crate) fn shown(value: &NamedValue) -> String {
    match value {
        NamedValue::Str(text) => text.clone(),
        NamedValue::Bool(v) => v.to_string(),
        NamedValue::U64(v) => v.to_string(),
        NamedValue::I64(v) => v.to_string(),
        NamedValue::F64(v) => v.to_string(),
        _ => "?".to_owned(),
    }
}
