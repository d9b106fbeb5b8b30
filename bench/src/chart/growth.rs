//! What it costs to carry 1, 8 and 64 values: a flat line is what we are after.

use plotters::chart::ChartBuilder;
use plotters::coord::combinators::{BindKeyPoints, IntoLogRange};
use plotters::element::{Circle, Text};
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TRANSPARENT, TextStyle};

use super::{Area, BLUE, Drawn, FAINT, INK, is_ours};
use crate::group::Group;
use crate::keys::{COUNTS, values};
use crate::rows::Row;

const PANELS: [(&str, Group); 2] =
    [("spawn and join a tokio task", Group::Spawn), ("first set after a snapshot", Group::FirstSet)];

/// Tones for everyone else: told apart by the names at the ends of the lines.
const OTHERS: [RGBColor; 6] = [
    RGBColor(0x8c, 0x95, 0x9f),
    RGBColor(0xbf, 0x87, 0x00),
    RGBColor(0x1a, 0x7f, 0x37),
    RGBColor(0x82, 0x50, 0xdf),
    RGBColor(0xcf, 0x22, 0x2e),
    RGBColor(0x9a, 0x67, 0x4e),
];

/// How many pixels a name needs.
const NAME_HEIGHT: f64 = 17.0;

/// A peer, with what it costs at each of the counts it was measured at.
type Line<'a> = (&'a str, Vec<(f64, f64)>);

pub(super) fn draw(area: &Area<'_>, rows: &[Row]) -> Drawn {
    for (panel, (title, group)) in area.split_evenly((1, 2)).iter().zip(PANELS) {
        let lines = lines(rows, group);
        if !lines.is_empty() {
            draw_panel(panel, title, &lines)?;
        }
    }
    Ok(())
}

fn lines(rows: &[Row], group: Group) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for row in rows.iter().filter(|row| row.group == group) {
        let Some(count) = COUNTS.into_iter().find(|count| values(*count) == row.case) else { continue };
        let point = (count as f64, row.x_rand);
        match lines.iter_mut().find(|line| line.0 == row.peer) {
            Some(line) => line.1.push(point),
            None => lines.push((row.peer, vec![point])),
        }
    }
    lines.retain(|line| line.1.len() > 1);
    lines
}

fn draw_panel(panel: &Area<'_>, title: &str, lines: &[Line<'_>]) -> Drawn {
    let (low, high) = range(lines);
    // To the right of 64 there is room for the names.
    let mut chart = ChartBuilder::on(panel)
        .caption(title, ("sans-serif", 17).into_font().color(&INK))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d((0.9..700.0).log_scale().with_key_points(vec![1.0, 8.0, 64.0]), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .bold_line_style(FAINT)
        .light_line_style(TRANSPARENT)
        .x_desc("values carried")
        .y_desc("xR")
        .x_label_formatter(&|count| format!("{count}"))
        .y_label_formatter(&|cost| format!("{cost}"))
        .draw()?;
    let names = name_heights(lines, (high / low).powf(NAME_HEIGHT / f64::from(panel.dim_in_pixel().1)));
    let mut tones = OTHERS.iter().cycle();
    for ((peer, points), height) in lines.iter().zip(names) {
        let colour = if is_ours(peer) { BLUE } else { *tones.next().unwrap_or(&INK) };
        let width = if is_ours(peer) { 3 } else { 1 };
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(width)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
        let right = points.last().map_or(1.0, |point| point.0);
        let style =
            TextStyle::from(("sans-serif", 12).into_font()).color(&colour).pos(Pos::new(HPos::Left, VPos::Center));
        chart.draw_series([Text::new((*peer).to_owned(), (right * 1.15, height), style)])?;
    }
    Ok(())
}

/// From a little below the lowest point to a little above the highest.
fn range(lines: &[Line<'_>]) -> (f64, f64) {
    let costs = || lines.iter().flat_map(|line| line.1.iter().map(|point| point.1));
    (costs().fold(f64::INFINITY, f64::min).max(0.01) * 0.6, costs().fold(0.0, f64::max) * 1.6)
}

/// Where the names stand: at the end of their line, but each at least `apart` times as high as the one below.
fn name_heights(lines: &[Line<'_>], apart: f64) -> Vec<f64> {
    let mut heights: Vec<f64> = lines.iter().map(|line| line.1.last().map_or(1.0, |point| point.1)).collect();
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|a, b| heights[*a].total_cmp(&heights[*b]));
    for pair in order.windows(2) {
        heights[pair[1]] = heights[pair[1]].max(heights[pair[0]] * apart);
    }
    heights
}
