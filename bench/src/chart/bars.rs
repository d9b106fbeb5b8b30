//! One panel for each operation, one bar for each peer, on one logarithmic scale for all.

use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, TextStyle};

use super::{Area, BLUE, Drawn, FAINT, GREY, INK, is_ours};
use crate::group::{BARE, Group};
use crate::report::figure;
use crate::rows::Row;

/// A panel: its title, and the rows that stand in it.
const PANELS: [(&str, Group, &[&str]); 6] = [
    ("get one of 64 values", Group::Get, &["64 values", "64 values, a str by reference", "the current span"]),
    (
        "enter and leave a scope with one u64",
        Group::Scope,
        &["u64", "new span with a u64", "new span", "a u64 as extra"],
    ),
    ("snapshot and restore 64 values", Group::Snapshot, &["64 values", "the current span", "the current hub"]),
    ("first set after a snapshot of 64 values", Group::FirstSet, &["64 values"]),
    ("a poll, added to a bare one, 8 values", Group::Poll, &["8 values", "span", "a hub"]),
    (
        "spawn and join a tokio task with 64 values",
        Group::Spawn,
        &["no context", "64 values", "a new child span", "a fresh hub"],
    ),
];

/// The scale, in powers of ten of xR.
const DECADES: std::ops::RangeInclusive<i32> = -2..=4;
/// Where bars begin and end, in pixels of a panel; the figure is written behind the end.
const LEFT: i32 = 180;
const RIGHT: i32 = 540;
const TOP: i32 = 50;
const STEP: i32 = 21;

pub(super) fn draw(area: &Area<'_>, rows: &[Row]) -> Drawn {
    let panels = PANELS.map(|(title, group, cases)| (title, chosen(rows, group, cases)));
    // Panels side by side are as high as the higher of the two.
    let heights = panels.chunks(2).map(|pair| pair.iter().map(|panel| height(panel.1.len())).max().unwrap_or(0));
    let breaks: Vec<i32> = heights.scan(0, |bottom, height| Some((*bottom += height, *bottom).1)).collect();
    let places = area.split_by_breakpoints([area.dim_in_pixel().0 as i32 / 2], &breaks[..breaks.len() - 1]);
    for (place, (title, rows)) in places.iter().zip(&panels) {
        draw_panel(place, title, rows)?;
    }
    Ok(())
}

/// How high the whole picture is.
pub(super) fn total_height(rows: &[Row]) -> u32 {
    let counts = PANELS.map(|(_, group, cases)| chosen(rows, group, cases).len());
    counts.chunks(2).map(|pair| height(pair.iter().copied().max().unwrap_or(0)) as u32).sum()
}

fn height(lines: usize) -> i32 {
    TOP + STEP * lines as i32 + 24
}

/// The rows of a panel, cheapest first.
fn chosen<'a>(rows: &'a [Row], group: Group, cases: &[&str]) -> Vec<&'a Row> {
    let is_in = |row: &&Row| row.group == group && cases.contains(&row.case.as_str());
    let adds_to_bare = |row: &&Row| group != Group::Poll || row.peer != BARE;
    let mut chosen: Vec<&Row> = rows.iter().filter(is_in).filter(adds_to_bare).collect();
    chosen.sort_by(|a, b| a.x_rand.total_cmp(&b.x_rand));
    chosen
}

fn draw_panel(panel: &Area<'_>, title: &str, rows: &[&Row]) -> Drawn {
    panel.draw(&Text::new(title.to_owned(), (12, 10), ("sans-serif", 17).into_font().color(&INK)))?;
    let bottom = TOP + STEP * rows.len() as i32;
    for decade in DECADES {
        let x = position(10_f64.powi(decade));
        panel.draw(&PathElement::new(vec![(x, TOP), (x, bottom)], FAINT))?;
        panel.draw(&Text::new(format!("{}", 10_f64.powi(decade)), (x, TOP - 12), small(HPos::Center)))?;
    }
    panel.draw(&Text::new("xR".to_owned(), (RIGHT + 30, TOP - 12), small(HPos::Left)))?;
    for (line, row) in rows.iter().enumerate() {
        draw_bar(panel, TOP + STEP * line as i32 + 3, row)?;
    }
    Ok(())
}

fn draw_bar(panel: &Area<'_>, top: i32, row: &Row) -> Drawn {
    let middle = top + (STEP - 6) / 2;
    let end = position(row.x_rand);
    let colour = if is_ours(row.peer) { BLUE } else { GREY };
    panel.draw(&Rectangle::new([(LEFT, top), (end, top + STEP - 6)], colour.filled()))?;
    panel.draw(&Text::new(row.peer.to_owned(), (LEFT - 6, middle), small(HPos::Right)))?;
    panel.draw(&Text::new(figure(row.x_rand), (end + 5, middle), small(HPos::Left)))
}

/// Where a ratio lies on the scale.
fn position(x_rand: f64) -> i32 {
    let (low, high) = (f64::from(*DECADES.start()), f64::from(*DECADES.end()));
    let part = (x_rand.max(f64::MIN_POSITIVE).log10().clamp(low, high) - low) / (high - low);
    LEFT + (part * f64::from(RIGHT - LEFT)) as i32
}

fn small(side: HPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", 12).into_font()).color(&INK).pos(Pos::new(side, VPos::Center))
}
