//! Owns the load's report: what was sent, what is left, what the layers cost, and the verdict.

use anstream::println;
use comfy_table::{Cell, CellAlignment, Table, presets};

use super::Plan;
use super::batches::{Pair, Setting, median, quantile};
use super::storm::{Look, Storm};
use super::tally::Tally;
use crate::fleet::children::Hop;
use crate::report::BAD;

/// What memory may differ by from one look to the next without being a leak: pages that allocators keep.
const SLACK_KB: u64 = 8192;

/// Prints the report; whether all is well.
pub(super) fn print(plan: &Plan, storm: &Storm, costs: &[(Setting, Vec<Pair>)]) -> bool {
    let tally = &storm.tally;
    println!("{} clients for {:?}, seed {}\n", plan.clients, plan.time, plan.seed);
    println!("{}\n", counts(tally));
    println!("{}\n", lives(storm));
    println!("{}\n", prices(costs));
    tally.shown().iter().for_each(|fault| println!("{BAD}{fault}{BAD:#}"));
    let faults = faults(storm);
    faults.iter().for_each(|fault| println!("{BAD}{fault}{BAD:#}"));
    match faults.len() {
        0 => println!("All is well."),
        _ => println!("\n{BAD}Not all is well.{BAD:#}"),
    }
    faults.is_empty()
}

/// Everything that is wrong.
fn faults(storm: &Storm) -> Vec<String> {
    let mut faults = Vec::new();
    let wrong = Tally::read(&storm.tally.faults);
    if wrong > 0 {
        faults.push(format!("{wrong} lines or answers are wrong"));
    }
    let looks = storm.looks.iter().map(|(_, look)| look).chain([&storm.hour.before, &storm.hour.after]);
    for look in looks {
        faults.extend(leaks(&storm.empty, look));
    }
    if let [_, (_, third), .., (_, last)] = &*storm.looks {
        faults.extend(growth(third, last, "from the first third to the end"));
    }
    faults.extend(growth(&storm.hour.before, &storm.hour.after, "with requests that asked for an hour"));
    faults
}

fn leaks(empty: &Look, look: &Look) -> Vec<String> {
    let more = look.iter().zip(empty).filter(|((_, now), (_, before))| now.has_more_than(before));
    more.map(|((hop, now), (_, before))| format!("{} leaks: {before:?} became {now:?}", hop.name())).collect()
}

fn growth(before: &Look, after: &Look, when: &str) -> Option<String> {
    let (before, after) = (resident(before)?, resident(after)?);
    (after > before + SLACK_KB).then(|| format!("the front's memory grew by {} kB {when}", after - before))
}

fn resident(look: &Look) -> Option<u64> {
    look.iter().find(|(hop, _)| *hop == Hop::Front)?.1.resident_kb
}

fn counts(tally: &Tally) -> Table {
    let mut table = plain();
    let rows = [
        ("requests", tally.requests()),
        ("  answered", Tally::read(&tally.answered)),
        ("  answered that the time was up", Tally::read(&tally.late)),
        ("  left by their clients", Tally::read(&tally.left)),
        ("lines checked", Tally::read(&tally.lines)),
        ("  that tell of a cancellation", Tally::read(&tally.told)),
        ("lines or answers that are wrong", Tally::read(&tally.faults)),
    ];
    for (name, number) in rows {
        table.add_row([Cell::new(name), right(number)]);
    }
    table
}

fn lives(storm: &Storm) -> Table {
    let mut table = plain();
    table.set_header(["when all is quiet", "requests", "part", "routines", "nodes", "timers", "memory"]);
    let moments = ["after the warm-up", "after a third", "after two thirds", "at the end"];
    let mut rows = vec![("before the first".to_owned(), 0, &storm.empty)];
    rows.extend(moments.iter().zip(&storm.looks).map(|(name, (requests, look))| ((*name).to_owned(), *requests, look)));
    let hour = &storm.hour;
    rows.push(("before those with an hour".to_owned(), 0, &hour.before));
    rows.push((format!("after them (timers seen: {})", hour.most_timers), hour.requests, &hour.after));
    for (name, requests, look) in &rows {
        for (hop, stats) in *look {
            let memory = stats.resident_kb.map_or("-".to_owned(), |kb| format!("{kb} kB"));
            let [routines, nodes, timers] = [stats.routines, stats.nodes, stats.timers].map(right);
            let cells =
                [Cell::new(name), right(requests), Cell::new(hop.name()), routines, nodes, timers, right(memory)];
            table.add_row(cells);
        }
    }
    table
}

fn prices(costs: &[(Setting, Vec<Pair>)]) -> Table {
    let mut table = plain();
    table.set_header(["median latency", "with layers", "without", "ratio (quartiles)"]);
    for (setting, pairs) in costs {
        let all = |of: fn(&Pair) -> f64| pairs.iter().map(of).collect::<Vec<_>>();
        let mut ratios = all(|pair| pair.layered / pair.bare);
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|part| quantile(&mut ratios, part));
        let [layered, bare] = [all(|pair| pair.layered), all(|pair| pair.bare)].map(|mut times| median(&mut times));
        table.add_row([
            Cell::new(setting.name),
            right(format_args!("{layered:.0} us")),
            right(format_args!("{bare:.0} us")),
            Cell::new(format!("{middle:.3} ({low:.3} to {high:.3})")),
        ]);
    }
    table
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

fn right(value: impl std::fmt::Display) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::pipe::Stats;

    fn look(routines: usize, nodes: usize, timers: usize, kb: u64) -> Look {
        vec![(Hop::Front, Stats { routines, nodes, timers, ignored: 0, resident_kb: Some(kb) })]
    }

    #[test]
    fn anything_that_is_left_is_a_leak() {
        let empty = look(1, 1, 0, 10_000);
        assert_eq!(leaks(&empty, &look(1, 1, 0, 90_000)), [""; 0]);
        for left in [look(2, 1, 0, 0), look(1, 2, 0, 0), look(1, 1, 1, 0)] {
            assert_eq!(leaks(&empty, &left).len(), 1, "{left:?}");
        }
    }

    #[test]
    fn memory_that_grows_beyond_the_slack_is_a_leak() {
        let third = look(1, 1, 0, 10_000);
        assert_eq!(growth(&third, &look(1, 1, 0, 10_000 + SLACK_KB), "meanwhile"), None);
        assert!(growth(&third, &look(1, 1, 0, 10_001 + SLACK_KB), "meanwhile").is_some());
    }
}
