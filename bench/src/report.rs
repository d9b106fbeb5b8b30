//! Rows as Markdown tables and as JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::group::{Against, Group};
use crate::machine;
use crate::rows::Row;
use crate::targets;

/// The whole report: the machine, what we asked of ourselves, and a table for each group.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = format!("Measured on {}.\n\n", machine::describe());
    text += &targets::markdown(rows);
    for group in Group::ALL {
        let of_group: Vec<&Row> = rows.iter().filter(|row| row.group == group).collect();
        if !of_group.is_empty() {
            text += &table(group, &of_group);
        }
    }
    text
}

/// The rows as a JSON array of `{group, case, peer, ns, x_rand, x_tls}`.
pub(crate) fn write_json(rows: &[Row], path: &Path) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(rows)?;
    fs::write(path, text + "\n")
}

fn table(group: Group, rows: &[&Row]) -> String {
    let mut text = format!("### {}\n\n", group.title());
    let (head, line) = match group.against() {
        Against::MoreThanBare => (" over bare |", " ---: |"),
        Against::OneThread => (" against one |", " ---: |"),
        Against::Nothing | Against::AddedToBare => ("", ""),
    };
    text += &format!("| case | peer | ns | xR | xT |{head}\n| --- | --- | ---: | ---: | ---: |{line}\n");
    for row in rows {
        text += &format!(
            "| {} | {} | {} | {} | {} |",
            row.case,
            emphasis(row.peer),
            figure(row.ns),
            figure(row.x_rand),
            figure(row.x_tls)
        );
        text += &last_cell(group.against(), row.against);
        text.push('\n');
    }
    text.push('\n');
    text
}

fn last_cell(against: Against, ratio: Option<f64>) -> String {
    let mut cell = String::new();
    let written = match (against, ratio) {
        (Against::MoreThanBare, Some(ratio)) => write!(cell, " {:+.0} % |", (ratio - 1.0) * 100.0),
        (Against::OneThread, Some(ratio)) => write!(cell, " {ratio:.2}x |"),
        (Against::MoreThanBare | Against::OneThread, None) => write!(cell, " |"),
        (Against::Nothing | Against::AddedToBare, _) => Ok(()),
    };
    written.expect("writing to a String cannot fail");
    cell
}

/// Our own rows stand out.
fn emphasis(peer: &str) -> String {
    if peer.starts_with("routines") { format!("**{peer}**") } else { peer.to_owned() }
}

/// Three digits that mean something.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
