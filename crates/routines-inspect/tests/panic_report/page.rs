//! The page about the report shows what its example writes.

use crate::support::stderr_of;

#[path = "../../examples/panic_report.rs"]
#[allow(dead_code, reason = "`main` is called in the child")]
mod example;

/// Without what differs from run to run, and from a program to a test.
fn without_accidents(text: &str) -> String {
    let text =
        text.replace("tests/panic_report/../../", "").replace("page::the_page_shows_what_the_example_writes", "main");
    let words: Vec<String> = text
        .split_whitespace()
        .filter(|word| !word.starts_with("note:"))
        .map(|word| word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>())
        .map(|word| word.replace("00", "0").replace("00", "0").replace("00", "0"))
        .collect();
    words.join(" ")
}

#[test]
fn the_page_shows_what_the_example_writes() {
    let stderr = stderr_of("page::the_page_shows_what_the_example_writes", example::main);
    let wrote = without_accidents(&stderr[stderr.find("no price").unwrap()..]);
    let wrote = wrote.split("routine 0 panicked").nth(1).unwrap();
    let page = include_str!("../../../../docs/panic-report.md");
    let shown = page.split("```text").nth(1).unwrap().split("```").next().unwrap();
    let shown = without_accidents(shown);
    assert_eq!(shown.split("routine 0 panicked").nth(1), Some(wrote), "{stderr}");
}
