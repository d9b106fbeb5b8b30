//! Owns `routines dump`: all that matches, page by page, as text, JSON, groups or tree.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::styling::Style;
use routines::{Dump, RoutineId, RoutineInfo};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::{Client, Failure, Fault};
use crate::query::{FIRST, Query, Shape, Sort};
use crate::text::{self, Plain};
use crate::wire::{Group, Page};

/// How a dump is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Each routine, in the shape of Go's goroutine dump
    Text,
    /// One object, a routine on each line
    Json,
    /// How many were started at each line, and their commonest values
    Groups,
    /// Children below the routine that started them
    Tree,
}

/// What is wanted.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Words that must all match; `key=value` matches a named value
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
    pub filter: String,

    /// What to sort by
    #[arg(long, value_enum, default_value_t = Sort::Id)]
    pub sort: Sort,

    /// The largest first
    #[arg(long)]
    pub desc: bool,

    /// Give up when there are more than so many routines
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub limit: u64,
}

const BOLD: Style = Style::new().bold();
/// Rows of one request.
const PER_PAGE: u64 = 1_000;

/// Writes what is wanted. Routines that start or end meanwhile may be missing; none is written twice.
///
/// # Errors
///
/// If the process cannot be reached, refuses or answers something else, or `out` cannot be written.
pub fn dump(client: &Client, options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    let query = Query {
        q: options.filter.clone(),
        sort: options.sort,
        desc: options.desc,
        per_page: PER_PAGE,
        ..Query::default()
    };
    let limit = options.limit;
    match options.format {
        Format::Text => write_text(client, query, limit, out),
        Format::Json => write_json(client, query, limit, out),
        Format::Groups => write_groups(client, Query { shape: Shape::Groups, ..query }, limit, out),
        Format::Tree => write_tree(client, query, limit, out),
    }
}

fn write_text(client: &Client, query: Query, limit: u64, out: &mut impl Write) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    each_page(client, query, limit, |page: Page<RoutineInfo>| {
        for info in page.routines {
            if seen.insert(info.id) {
                let text = escaped(&info.to_string());
                let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
                write!(out, "{}{BOLD}{head}{BOLD:#}\n{rest}", if seen.len() > 1 { "\n" } else { "" })?;
            }
        }
        Ok(())
    })
}

fn write_json(client: &Client, query: Query, limit: u64, out: &mut impl Write) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    let mut begun = false;
    each_page(client, query, limit, |page: Page<Value>| {
        if !std::mem::replace(&mut begun, true) {
            let (total, matching, timing) = (page.total, page.matching, page.timing);
            write!(out, r#"{{"version":1,"total":{total},"matching":{matching},"timing":{timing},"routines":["#)?;
        }
        for routine in page.routines {
            if seen.insert(routine["id"].as_u64()) {
                write!(out, "{}\n{}", if seen.len() > 1 { "," } else { "" }, escaped(&routine.to_string()))?;
            }
        }
        Ok(())
    })?;
    Ok(writeln!(out, "\n]}}")?)
}

fn write_tree(client: &Client, query: Query, limit: u64, out: &mut impl Write) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    let mut dump = Dump::from_json(r#"{"version":1,"routines":[]}"#).map_err(|error| Fault::new(error.to_string()))?;
    each_page(client, query, limit, |page: Page<RoutineInfo>| {
        dump.routines.extend(page.routines.into_iter().filter(|info| seen.insert(info.id)));
        Ok(())
    })?;
    if deeper_than(DEEPEST, &dump.routines) {
        return Err(Fault::new(format!("the tree is deeper than {DEEPEST}")).remedy("use another --format").into());
    }
    Ok(write!(out, "{}", escaped(&dump.tree().to_string()))?)
}

/// Each level is indented further, so that what is written grows with the square of a tree's depth.
const DEEPEST: usize = 500;

fn deeper_than(deepest: usize, all: &[RoutineInfo]) -> bool {
    let parents: HashMap<RoutineId, RoutineId> = all.iter().filter_map(|info| Some((info.id, info.parent?))).collect();
    all.iter().any(|info| std::iter::successors(Some(&info.id), |id| parents.get(id)).nth(deepest).is_some())
}

fn write_groups(client: &Client, query: Query, limit: u64, out: &mut impl Write) -> Result<(), Failure> {
    each_page(client, query, limit, |page: Page<Value>| {
        page.groups.iter().try_for_each(|group| write_group(group, out))
    })
}

/// Go's `debug=1`, with what is known besides.
fn write_group(group: &Group, out: &mut impl Write) -> io::Result<()> {
    let place = Plain::new(group.spawned_at.as_deref().unwrap_or("unknown"));
    let (states, kind) = (Plain::new(&group.states()), Plain::new(&group.kind));
    write!(out, "{BOLD}{}{BOLD:#} @ {place} [{states}] {kind}", group.count)?;
    write!(out, ", oldest {}, {} polls", text::age(Duration::from_millis(group.oldest_ms)), group.polls)?;
    if let Some(busy) = group.busy_us {
        write!(out, ", busy {}", text::busy(Duration::from_micros(busy)))?;
    }
    writeln!(out)?;
    group.values().try_for_each(|values| writeln!(out, "#\t{}", Plain::new(&values)))
}

/// Asks for page after page until there are no more: a service may never come to an end.
fn each_page<R: DeserializeOwned>(
    client: &Client,
    mut query: Query,
    limit: u64,
    mut take: impl FnMut(Page<R>) -> io::Result<()>,
) -> Result<(), Failure> {
    for page in FIRST..=FIRST + limit / query.per_page {
        query.page = page;
        let found: Page<R> = client.page(&query)?;
        let rows = (found.routines.len() + found.groups.len()) as u64;
        take(found)?;
        if rows < query.per_page {
            return Ok(());
        }
    }
    Err(Fault::new(format!("there are more than {limit}")).remedy("filter, or raise --limit").into())
}

/// JSON and the core's quoting leave some characters alone that terminals do not.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match text::obeyed(c) && !matches!(c, '\n' | '\t') {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
            false => out.push(c),
        }
    }
    out
}
