//! What is measured when: everything that needs no runtime first, then everything inside tokio tasks.
//!
//! The order matters: `routines_tokio::install` tells the core to ask tokio who owns the current slot, for the rest of the
//! process. Each phase has yardsticks of its own.

use crate::group::Group;
use crate::measure::{self, Effort};
use crate::pair;
use crate::peers::{self, floors, ours};
use crate::rows::{self, Row};

/// Measures everything.
pub(crate) fn run(effort: Effort) -> Vec<Row> {
    peers::set_up();

    let (mut all, sticks) = rows::of_cases(&measure::measure(peers::plain(), effort, "1 of 4, no runtime"));
    let pairs = pair::measure(&pairs_plain(), effort, "2 of 4, two threads");
    all.extend(rows::of_pairs(&pairs, sticks));

    routines_tokio::install();
    let (tasks, sticks) = rows::of_cases(&measure::measure(peers::tasks(), effort, "3 of 4, tokio"));
    // The yardsticks' own rows are in the report once, from the first phase.
    all.extend(tasks.into_iter().filter(|row| row.group != Group::Floors));
    let pairs = pair::measure(&pairs_tasks(), effort, "4 of 4, two threads with tokio");
    all.extend(rows::of_pairs(&pairs, sticks));

    all.sort_by_key(|row| Group::ALL.iter().position(|group| *group == row.group));
    all
}

fn pairs_plain() -> Vec<pair::PairCase> {
    [&ours::PAIRS[..], &floors::PAIRS[..]].concat()
}

fn pairs_tasks() -> Vec<pair::PairCase> {
    [&ours::TASK_PAIRS[..], &floors::TASK_PAIRS[..]].concat()
}
