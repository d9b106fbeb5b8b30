//! Owns the table of bad headers: what is specified, what our server does, and what the official Python and Node propagators do.

mod outcome;
mod rows;
mod send;

use std::fmt;

use anyhow::{Context, Result, ensure};

use crate::fleet::Fleet;
use crate::install::Installed;
use crate::table::{Outcome, Row};
use rows::Row as Case;

pub(crate) const HEADS: [&str; 8] = ["header", "case", "specified", "ours", "counted", "python", "node", "result"];

/// Whose reading of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Ours,
    Python,
    Node,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Who::Ours => "ours",
            Who::Python => "python",
            Who::Node => "node",
        })
    }
}

/// What everybody made of one case; `None` where there is nothing to compare with.
#[derive(Debug, Default)]
struct Read {
    ours: String,
    /// How many headers our server counted as ignored.
    counted: u64,
    python: Option<String>,
    node: Option<String>,
}

/// Reads every header with everybody.
pub(crate) async fn run(fleet: &Fleet, python: &Installed, node: &Installed) -> Result<Vec<Row>> {
    let cases = rows::all();
    let python_reads = send::propagator(python, "bad_headers.py", &cases).context("python")?;
    let node_reads = send::propagator(node, "bad_headers.mjs", &cases).context("node")?;
    let mut table = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let mut read = send::ours(fleet, case).await.with_context(|| format!("{}: {}", case.header, case.case))?;
        if case.header == "grpc-timeout" {
            read.python = send::grpc(fleet, "python", case, case.expected(Who::Python)).await?;
            read.node = send::grpc(fleet, "node", case, case.expected(Who::Node)).await?;
        } else if case.is_standard() {
            read.python = python_reads.as_ref().map(|reads| reads[at].text(case.header));
            read.node = node_reads.as_ref().map(|reads| reads[at].text(case.header));
        }
        table.push(row(case, read));
    }
    Ok(table)
}

impl Case {
    /// Whether OpenTelemetry's propagators know the header.
    fn is_standard(&self) -> bool {
        ["traceparent", "tracestate", "baggage"].contains(&self.header)
    }

    /// What is expected of somebody: what is specified, but for what is known.
    fn expected(&self, who: Who) -> &'static str {
        self.known.iter().find(|(whose, _)| *whose == who).map_or(self.specified, |(_, what)| what)
    }

    fn check(&self, read: &Read) -> Result<()> {
        let all = [(Who::Ours, Some(&read.ours)), (Who::Python, read.python.as_ref()), (Who::Node, read.node.as_ref())];
        for (who, found) in all {
            let expected = self.expected(who);
            ensure!(found.is_none_or(|found| found == expected), "{who}: {found:?} instead of {expected:?}");
        }
        let refused = ["new", "none"].contains(&&*read.ours) && !self.values.concat().trim_ascii().is_empty();
        ensure!(!refused || read.counted > 0 || self.is_harmless, "nobody counted it");
        Ok(())
    }
}

fn row(case: &Case, read: Read) -> Row {
    let outcome = case.check(&read).map_or_else(|error| Outcome::Broken(format!("{error:#}")), |()| Outcome::Held);
    let specified = if case.open { format!("({})", case.specified) } else { case.specified.into() };
    let other =
        |text: Option<String>| text.map_or("-".into(), |text| if text == read.ours { "=".into() } else { text });
    let counted = if read.counted == 0 { String::new() } else { read.counted.to_string() };
    let (python, node) = (other(read.python), other(read.node));
    let cells = [case.header, case.case, &specified, &read.ours, &counted, &python, &node];
    Row { cells: cells.map(|cell| cell.escape_debug().to_string()).into(), outcome }
}
