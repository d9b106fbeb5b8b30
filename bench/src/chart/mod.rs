//! The charts of the report: which there are, and where they go.

mod bars;
mod growth;

use std::io;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::style::{RGBColor, WHITE};

use crate::docs;
use crate::rows::Row;
use crate::targets::OURS;

const BARS: &str = "benchmarks-operations.svg";
const GROWTH: &str = "benchmarks-growth.svg";

/// Ours.
const BLUE: RGBColor = RGBColor(0x1f, 0x6f, 0xeb);
/// Everyone else's.
const GREY: RGBColor = RGBColor(0xa8, 0xb0, 0xb8);
/// Lines that only help reading.
const FAINT: RGBColor = RGBColor(0xe4, 0xe7, 0xea);
/// Words.
const INK: RGBColor = RGBColor(0x24, 0x29, 0x2f);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// What the page says to show the charts.
pub(crate) fn links() -> String {
    format!(
        "![What each operation costs beside its peers, in multiples of one random number; logarithmic]({BARS})\n\n\
         ![What more values cost: 1, 8 and 64 of them; logarithmic]({GROWTH})\n\n"
    )
}

/// Draws both charts into the documentation.
pub(crate) fn draw(rows: &[Row]) -> io::Result<()> {
    to_file(BARS, (1_200, bars::total_height(rows)), |area| bars::draw(area, rows))?;
    to_file(GROWTH, (1_200, 460), |area| growth::draw(area, rows))
}

fn to_file(name: &str, size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> io::Result<()> {
    let path = docs::path(name);
    let area = SVGBackend::new(&path, size).into_drawing_area();
    area.fill(&WHITE).and_then(|()| draw(&area)).and_then(|()| area.present()).map_err(io::Error::other)?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

fn is_ours(peer: &str) -> bool {
    peer == OURS
}
