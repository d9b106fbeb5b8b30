//! Owns one aligned table and its verdict.

/// A request, or another promise, and whether it was held.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Held,
    Skipped(String),
    Broken(String),
}

impl Outcome {
    fn text(&self) -> String {
        match self {
            Outcome::Held => "ok".into(),
            Outcome::Skipped(why) => format!("SKIPPED: {why}"),
            Outcome::Broken(why) => format!("MISMATCH: {}", why.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }
}

/// Prints the rows under their heads, each column as wide as its widest cell; whether none is broken.
pub(crate) fn print(heads: &[&str], rows: &[Row]) -> bool {
    let head = heads.iter().map(ToString::to_string).collect::<Vec<_>>();
    let lines = rows.iter().map(|row| [&row.cells[..], &[row.outcome.text()]].concat());
    let lines = std::iter::once(head).chain(lines).collect::<Vec<_>>();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths = (0..heads.len()).map(width).collect::<Vec<_>>();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>();
        println!("{}", cells.join("  ").trim_end());
    }
    !rows.iter().any(|row| matches!(row.outcome, Outcome::Broken(_)))
}
