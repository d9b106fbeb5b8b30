//! From measured rounds to rows: medians, ratios to the yardsticks, differences to the bare case.

use serde::Serialize;

use crate::group::{Against, BARE, Group};
use crate::measure::{Measured, median};
use crate::pair::PairMeasured;
use crate::peers::floors;

/// One line of the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The table it stands in.
    #[serde(serialize_with = "slug")]
    pub(crate) group: Group,
    /// What is done.
    pub(crate) case: String,
    /// Who does it.
    pub(crate) peer: &'static str,
    /// Nanoseconds.
    pub(crate) ns: f64,
    /// Ratio to `rand::random::<u64>()` in the same rounds.
    pub(crate) x_rand: f64,
    /// Ratio to reading a const `thread_local` `Cell<u64>` in the same rounds.
    pub(crate) x_tls: f64,
    /// Ratio to what the table is held against, if there is such a thing.
    #[serde(skip)]
    pub(crate) against: Option<f64>,
}

fn slug<S: serde::Serializer>(group: &Group, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(group.slug())
}

/// What the yardsticks cost in one phase, in nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct Yardsticks {
    rand: f64,
    tls: f64,
}

impl Yardsticks {
    fn row(self, group: Group, case: impl Into<String>, peer: &'static str, ns: f64, against: Option<f64>) -> Row {
        Row { group, case: case.into(), peer, ns, x_rand: ns / self.rand, x_tls: ns / self.tls, against }
    }
}

/// The rows of one phase, and its yardsticks.
pub(crate) fn of_cases(measured: &[Measured]) -> (Vec<Row>, Yardsticks) {
    let sticks = Yardsticks { rand: median_of(measured, floors::RAND), tls: median_of(measured, floors::TLS) };
    let row = |of: &Measured| {
        let bare = measured.iter().filter(|bare| bare.group == of.group && bare.peer == BARE);
        let bare = bare.max_by_key(|bare| bare.name == of.name);
        let (ns, against) = compare(of, bare);
        sticks.row(of.group, of.name.clone(), of.peer, ns, against)
    };
    (measured.iter().map(row).collect(), sticks)
}

/// The rows of the cases that were run on two threads, by the yardsticks of their phase.
pub(crate) fn of_pairs(measured: &[PairMeasured], sticks: Yardsticks) -> Vec<Row> {
    let rows = measured.iter().flat_map(|pair| {
        let alone = median(pair.alone.iter().copied());
        let together = median(pair.together.iter().copied());
        // In `together` two operations are done, one on each thread: what one thread does in twice `alone`.
        let speed_up = median(pair.alone.iter().zip(&pair.together).map(|(alone, together)| 2.0 * alone / together));
        [
            sticks.row(Group::Threads, format!("{}, one thread", pair.name), pair.peer, alone, None),
            sticks.row(Group::Threads, format!("{}, two threads", pair.name), pair.peer, together, Some(speed_up)),
        ]
    });
    rows.collect()
}

/// The figure of a case, and its ratio to what its table is held against.
fn compare(of: &Measured, bare: Option<&Measured>) -> (f64, Option<f64>) {
    let plain = median(of.rounds.iter().copied());
    let Some(bare) = bare.filter(|_| of.peer != BARE) else {
        return (plain, None);
    };
    // Each round is compared with itself: what disturbed one of the two most likely disturbed the other.
    let pairs = || of.rounds.iter().zip(&bare.rounds);
    match of.group.against() {
        Against::AddedToBare => (median(pairs().map(|(of, bare)| of - bare)), None),
        Against::MoreThanBare => (plain, Some(median(pairs().map(|(of, bare)| of / bare)))),
        Against::Nothing | Against::OneThread => (plain, None),
    }
}

fn median_of(measured: &[Measured], name: &str) -> f64 {
    let found = measured.iter().find(|of| of.name == name && of.group == Group::Floors);
    found.map_or(f64::NAN, |of| median(of.rounds.iter().copied()))
}
