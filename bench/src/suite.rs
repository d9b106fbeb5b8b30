//! What is measured when: everything that needs no runtime first, then everything inside tokio tasks.
//!
//! The order matters: `routines_tokio::install` tells the core to ask tokio who owns the current slot, for the rest of the
//! process. Each phase has yardsticks of its own.

use crate::group::Group;
use crate::measure::{self, Case, Effort};
use crate::pair::{self, PairCase};
use crate::peers::{self, floors, ours};
use crate::rows::{self, Row};

/// Measures the tables named, or everything if none is.
pub(crate) fn run(effort: Effort, only: &[Group]) -> Vec<Row> {
    peers::set_up();

    let (mut all, sticks) =
        rows::of_cases(&measure::measure(chosen(peers::plain(), only), effort, "1 of 4, no runtime"));
    let pairs = pair::measure(&chosen_pairs(pairs_plain(), only), effort, "2 of 4, two threads");
    all.extend(rows::of_pairs(&pairs, sticks));

    routines_tokio::install();
    let (tasks, sticks) = rows::of_cases(&measure::measure(chosen(peers::tasks(), only), effort, "3 of 4, tokio"));
    // The yardsticks' own rows are in the report once, from the first phase.
    all.extend(tasks.into_iter().filter(|row| row.group != Group::Floors));
    let pairs = pair::measure(&chosen_pairs(pairs_tasks(), only), effort, "4 of 4, two threads with tokio");
    all.extend(rows::of_pairs(&pairs, sticks));

    all.sort_by_key(|row| Group::ALL.iter().position(|group| *group == row.group));
    all
}

fn is_chosen(group: Group, only: &[Group]) -> bool {
    only.is_empty() || only.contains(&group)
}

/// The yardsticks are always among them: without, there are no ratios.
fn chosen(mut cases: Vec<Case>, only: &[Group]) -> Vec<Case> {
    cases.retain(|case| is_chosen(case.group, only) || floors::is_yardstick(case));
    cases
}

fn chosen_pairs(cases: Vec<PairCase>, only: &[Group]) -> Vec<PairCase> {
    if is_chosen(Group::Threads, only) { cases } else { Vec::new() }
}

fn pairs_plain() -> Vec<PairCase> {
    [&ours::PAIRS[..], &floors::PAIRS[..]].concat()
}

fn pairs_tasks() -> Vec<PairCase> {
    [&ours::TASK_PAIRS[..], &floors::TASK_PAIRS[..]].concat()
}
