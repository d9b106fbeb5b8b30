//! Owns the report: what a run found, laid out for a reader, and whether that is all well.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use crate::run::{Findings, Pair};

/// How faults look.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const TITLE: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();

/// So many lines of the tree are shown.
const TREE_LINES: usize = 20;
/// So many failed requests are shown.
const SHOWN_FAILURES: usize = 5;

/// Prints the report; returns whether all is well.
pub(crate) fn print(findings: &Findings) -> Result<bool, Box<dyn Error>> {
    let mut text = String::new();
    write_sample(&mut text, findings)?;
    write_tree(&mut text, findings)?;
    write_summary(&mut text, findings)?;
    write_faults(&mut text, findings)?;
    // Without a terminal the stream strips the colours.
    let printed = anstream::stdout().lock().write_all(text.as_bytes());
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(is_well(findings)),
    }
}

fn is_well(findings: &Findings) -> bool {
    findings.check.is_clean()
        && findings.ids_while_off == 0
        && findings.on.failed.is_empty()
        && findings.off.failed.is_empty()
        && findings.routines.1 <= findings.routines.0
        && findings.pairs.iter().all(|pair| pair.lines_on == pair.lines_off)
}

fn title(text: &mut String, title: &str) -> fmt::Result {
    writeln!(text, "{TITLE}{title}{TITLE:#}\n")
}

fn write_sample(text: &mut String, findings: &Findings) -> fmt::Result {
    title(text, "All lines of one request")?;
    for line in &findings.sample {
        writeln!(text, "{line}")?;
    }
    text.write_str("\n")
}

fn write_tree(text: &mut String, findings: &Findings) -> fmt::Result {
    title(text, "Live routines, caught in flight")?;
    let (lines, left_out) = findings.tree.shown(TREE_LINES);
    if lines.is_empty() {
        return writeln!(text, "(none: too few requests for one to be caught half way)\n");
    }
    lines.iter().try_for_each(|line| writeln!(text, "{line}"))?;
    if left_out > 0 {
        writeln!(text, "{QUIET}... and {left_out} more{QUIET:#}")?;
    }
    text.write_str("\n")
}

// ===== the summary =====

fn write_summary(text: &mut String, findings: &Findings) -> fmt::Result {
    title(text, "Summary")?;
    let on = &findings.on;
    row(text, "requests", on.requests(), &format!("{} at once", findings.concurrency))?;
    row(text, "  answered", on.ok, "")?;
    row(text, "  answered on retry", on.retried, "the bank did not answer the first time")?;
    row(text, "  disconnected", on.disconnected, "the client left half way")?;
    fault_row(text, "  failed", on.failed.len() + findings.off.failed.len())?;
    write_lines(text, findings)?;
    let (before, after) = findings.routines;
    row(text, "routines at the start", before, "")?;
    row(text, "routines at the end", after, if after > before { "leaked" } else { "" })?;
    write_rates(text, &findings.pairs)
}

fn write_lines(text: &mut String, findings: &Findings) -> fmt::Result {
    let check = &findings.check;
    row(text, "lines checked", check.owned() + check.about_none + check.unreadable, "")?;
    for (module, lines) in &check.about_requests {
        row(text, &format!("  {module}"), *lines, written_by(module))?;
    }
    row(text, "  about no request", check.about_none, "must have no id")?;
    fault_row(text, "lines without their id", check.missing)?;
    fault_row(text, "lines with a wrong id", check.wrong + findings.ids_while_off)?;
    fault_row(text, "lines unreadable", check.unreadable)
}

/// Where the lines of a module come from.
fn written_by(module: &str) -> &'static str {
    match module {
        "orders" => "the handler",
        "pricing" => "a spawned task",
        "db" => "the SQL driver's callback, in a blocking job",
        "label" => "a thread",
        "stockroom" => "work sent over a channel to a long-lived task",
        "payment" => "a future under a timeout, dropped and tried again",
        "mail" => "a task that outlives its request",
        "backorders" => "a destructor, when the client left",
        _ => "",
    }
}

fn write_rates(text: &mut String, pairs: &[Pair]) -> fmt::Result {
    if pairs.is_empty() {
        return writeln!(text, "{:<24}{:>10}  too few requests to compare", "requests/s", "-");
    }
    let rate = |time: fn(&Pair) -> f64| {
        pairs.iter().map(|p| p.requests as f64).sum::<f64>() / pairs.iter().map(time).sum::<f64>()
    };
    let mut ratios: Vec<f64> = pairs.iter().map(|pair| pair.off.as_secs_f64() / pair.on.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    let lines = |of: fn(&Pair) -> usize| format!("{} lines", grouped(pairs.iter().map(of).sum()));
    row(text, "requests/s, routines on", rate(|pair| pair.on.as_secs_f64()) as usize, &lines(|pair| pair.lines_on))?;
    row(text, "requests/s, routines off", rate(|pair| pair.off.as_secs_f64()) as usize, &lines(|pair| pair.lines_off))?;
    let spread = format!("median of {} pairs, {:.3} to {:.3}", ratios.len(), ratios[0], ratios[ratios.len() - 1]);
    writeln!(text, "{:<26}{:>10.3}  {QUIET}{spread}{QUIET:#}", "  on / off", ratios[ratios.len() / 2])
}

fn row(text: &mut String, name: &str, number: usize, note: &str) -> fmt::Result {
    write!(text, "{name:<26}{:>10}", grouped(number))?;
    if !note.is_empty() {
        write!(text, "  {QUIET}{note}{QUIET:#}")?;
    }
    text.write_str("\n")
}

/// A number that must be 0.
fn fault_row(text: &mut String, name: &str, number: usize) -> fmt::Result {
    let style = if number == 0 { GOOD } else { BAD };
    writeln!(text, "{name:<26}{style}{:>10}{style:#}", grouped(number))
}

/// Thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn write_faults(text: &mut String, findings: &Findings) -> fmt::Result {
    if is_well(findings) {
        return Ok(());
    }
    text.write_str("\n")?;
    writeln!(text, "{BAD}Not all is well{BAD:#}\n")?;
    for line in &findings.check.faults {
        writeln!(text, "line  {line}")?;
    }
    let failed = findings.on.failed.iter().chain(&findings.off.failed);
    failed.take(SHOWN_FAILURES).try_for_each(|why| writeln!(text, "failed  {why}"))?;
    for pair in findings.pairs.iter().filter(|pair| pair.lines_on != pair.lines_off) {
        writeln!(text, "a batch wrote {} lines with context and {} without", pair.lines_on, pair.lines_off)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
