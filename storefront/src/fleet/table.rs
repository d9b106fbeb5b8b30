//! Owns the fleet's report: one table of requests and hops, what is wrong, and the verdict.

use std::collections::HashMap;

use anstream::{eprintln, println};
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::broker::INSTALL;
use super::check::{self, Sent};
use super::children::Hop;
use super::context::Owner;
use super::demo::Findings;
use super::kind::Why;
use super::line::{ARRIVED, TOLD};
use super::stories::Story;
use crate::report::BAD;

/// So many requests of each kind are shown.
const FEW: usize = 3;
/// So many faults are shown.
const SHOWN_FAULTS: usize = 10;

/// Says what to install.
pub(super) fn say_what_is_missing() {
    eprintln!("{BAD}NO BROKER: there is no worker without it. To see that hop, too: {INSTALL}{BAD:#}");
}

/// Prints the report; whether all is well.
pub(super) fn print(findings: &Findings, all: bool) -> bool {
    println!("{}\n", table(findings, all));
    let faults = faults(findings);
    for fault in faults.iter().take(SHOWN_FAULTS) {
        println!("{BAD}{fault}{BAD:#}");
    }
    for (hop, before, after) in &findings.lived {
        println!(
            "{:<10} routines {} -> {}, nodes {} -> {}, timers {} -> {}, ignored headers {}",
            hop.name(),
            before.routines,
            after.routines,
            before.nodes,
            after.nodes,
            before.timers,
            after.timers,
            after.ignored - before.ignored
        );
    }
    match faults.len() {
        0 => println!("\nAll is well: {}", summary(findings)),
        many => println!("\n{BAD}Not all is well: {many} faults{BAD:#} in {}", summary(findings)),
    }
    faults.is_empty()
}

fn summary(findings: &Findings) -> String {
    let lines: usize = findings.requests.iter().map(|(_, story, _)| story.lines.len()).sum();
    format!("{} requests, {lines} lines, {} hops", findings.requests.len(), findings.hops.len())
}

/// Everything that is wrong.
pub(super) fn faults(findings: &Findings) -> Vec<String> {
    let of_requests = findings
        .requests
        .iter()
        .flat_map(|(sent, _, faults)| faults.iter().map(move |fault| format!("order {}: {fault}", sent.order)));
    let strays = findings.strays.iter().map(|line| format!("a stray line: {line}"));
    let leaks = findings.lived.iter().filter(|(_, before, after)| after.has_more_than(before));
    let leaks = leaks.map(|(hop, before, after)| format!("{} leaks: {before:?} became {after:?}", hop.name()));
    of_requests.chain(strays).chain(leaks).collect()
}

fn table(findings: &Findings, all: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let mut titles = vec!["order", "what happens", "answer", "hops", "request id", "trace", "tenant"];
    let left = Hop::ALL.map(|hop| format!("ms left\n{}", hop.name()));
    let told = Hop::ALL.map(|hop| format!("told, ms after\n{}", hop.name()));
    titles.extend(left.iter().chain(&told).map(String::as_str));
    table.set_header(titles.into_iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    let mut shown = HashMap::<&str, usize>::new();
    for (sent, story, faults) in &findings.requests {
        let shown = shown.entry(sent.kind.name()).or_default();
        *shown += 1;
        if all || *shown <= FEW || !faults.is_empty() {
            table.add_row(row(sent, story, faults));
        }
    }
    table
}

fn row(sent: &Sent, story: &Story, faults: &[String]) -> Vec<Cell> {
    let mut cells = vec![
        Cell::new(sent.order).set_alignment(CellAlignment::Right),
        Cell::new(sent.kind.name()),
        Cell::new(sent.answer.as_ref().map_or("-".to_owned(), |(status, _)| status.to_string())),
        Cell::new(Hop::ALL.iter().filter(|hop| story.at(**hop).next().is_some()).count()),
    ];
    let owner = Owner::of(sent.order);
    let logged = |of: fn(&super::line::Line) -> &Option<String>| {
        let mut values: Vec<&str> = story.lines.iter().map(|(_, line)| of(line).as_deref().unwrap_or("none")).collect();
        values.sort_unstable();
        values.dedup();
        values.join(" / ")
    };
    cells.push(same(&logged(|line| &line.request_id), &owner.request_id, 0));
    cells.push(same(&logged(|line| &line.trace_id), &owner.trace_id, 24));
    cells.push(same(&logged(|line| &line.tenant), &owner.tenant, 0));
    cells.extend(Hop::ALL.map(|hop| left(story, hop)));
    cells.extend(Hop::ALL.map(|hop| told(sent, story, hop)));
    if !faults.is_empty() {
        cells[0] = Cell::new(format!("! {}", sent.order)).set_alignment(CellAlignment::Right).fg(Color::Red);
    }
    cells
}

/// What all hops logged, red if it is not what it must be; without its first characters.
fn same(logged: &str, expected: &str, cut: usize) -> Cell {
    if logged == expected { Cell::new(&logged[cut..]) } else { Cell::new(logged).fg(Color::Red) }
}

fn left(story: &Story, hop: Hop) -> Cell {
    let left = story.find(hop, ARRIVED).and_then(|line| line.left_ns);
    // Rounded down, as all times that are left.
    let text = left.map_or("-".to_owned(), |ns| format!("{}.{:02}", ns / 1_000_000, ns % 1_000_000 / 10_000));
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn told(sent: &Sent, story: &Story, hop: Hop) -> Cell {
    let Some((told, moment)) = story.find(hop, TOLD).zip(sent.moment_us) else { return Cell::new("-") };
    let after = (told.at_us as f64 - moment as f64) / 1e3;
    let late = told.at_us > moment + check::SOON_US;
    let cell = Cell::new(format!("{} {after:+.1}", short(told.cause.as_deref().unwrap_or("?"))));
    if late { cell.fg(Color::Red) } else { cell.fg(Color::Yellow) }
}

fn short(cause: &str) -> &str {
    [Why::Disconnected, Why::Deadline, Why::ShutDown]
        .iter()
        .find(|why| why.text() == cause)
        .map_or(cause, |why| why.name())
}
