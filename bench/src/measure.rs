//! The instrument: runs every case in short batches, interleaved over many rounds. Knows nothing of what it measures.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;

use crate::group::Group;
use crate::progress::Progress;

/// One batch of a case: does the operation that many times and says how long that took.
///
/// What must be there before the operation (values set, a task to be in) is prepared inside the batch, outside the time it reports.
pub(crate) type Body = Box<dyn FnMut(u64) -> Duration>;

/// Something that is measured: one operation of one peer.
pub(crate) struct Case {
    /// The table it stands in.
    pub(crate) group: Group,
    /// What is done, in the same words for every peer.
    pub(crate) name: String,
    /// Who does it.
    pub(crate) peer: &'static str,
    /// Does it.
    pub(crate) body: Body,
}

impl Case {
    /// A case that takes its own time.
    pub(crate) fn new(
        group: Group,
        name: impl Into<String>,
        peer: &'static str,
        body: impl FnMut(u64) -> Duration + 'static,
    ) -> Self {
        Self { group, name: name.into(), peer, body: Box::new(body) }
    }

    /// A case that needs no preparation: the operation alone.
    pub(crate) fn op<R>(
        group: Group,
        name: impl Into<String>,
        peer: &'static str,
        mut op: impl FnMut() -> R + 'static,
    ) -> Self {
        Self::new(group, name, peer, move |n| timed(n, &mut op))
    }
}

/// How long `n` calls of `op` take.
///
/// Each result goes through a black box, which also tells the compiler that memory may have changed: nothing that `op` reads
/// may be kept from one call to the next.
#[inline(always)]
pub(crate) fn timed<R>(n: u64, mut op: impl FnMut() -> R) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        black_box(op());
    }
    start.elapsed()
}

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// How often every case gets its turn.
    pub(crate) rounds: usize,
    /// How long one batch is meant to take.
    pub(crate) batch: Duration,
    /// How often the cases that need a second thread get their turn.
    pub(crate) pair_rounds: usize,
    /// How long one of their batches is meant to take: longer, since two threads never start at the very same moment.
    pub(crate) pair_batch: Duration,
}

impl Effort {
    /// Enough for figures that repeat: a few minutes.
    pub(crate) const FULL: Self = Self {
        rounds: 3_000,
        batch: Duration::from_micros(80),
        pair_rounds: 1_000,
        pair_batch: Duration::from_micros(300),
    };
    /// Enough to see that everything runs: seconds.
    pub(crate) const QUICK: Self =
        Self { rounds: 15, batch: Duration::from_micros(40), pair_rounds: 15, pair_batch: Duration::from_micros(60) };
}

/// A case with what was measured of it: nanoseconds an operation, one figure a round.
pub(crate) struct Measured {
    /// The table it stands in.
    pub(crate) group: Group,
    /// What is done.
    pub(crate) name: String,
    /// Who does it.
    pub(crate) peer: &'static str,
    /// One figure a round, in the order of the rounds.
    pub(crate) rounds: Vec<f64>,
}

/// Measures all cases together: in each round every case has one batch, in an order drawn anew, so that a disturbance
/// of the machine hits all of them alike.
pub(crate) fn measure(cases: Vec<Case>, effort: Effort, phase: &str) -> Vec<Measured> {
    let mut progress = Progress::new(phase, effort.rounds);
    let mut tracks: Vec<Track> = cases.into_iter().map(|case| Track::new(case, effort)).collect();
    let mut order: Vec<usize> = (0..tracks.len()).collect();
    for round in 0..effort.rounds {
        order.shuffle(&mut rand::rng());
        for &index in &order {
            tracks[index].run();
        }
        progress.at(round + 1);
    }
    tracks.into_iter().map(Track::finish).collect()
}

/// A case under measurement.
struct Track {
    case: Case,
    batch: u64,
    rounds: Vec<f64>,
}

impl Track {
    fn new(mut case: Case, effort: Effort) -> Self {
        let batch = batch_size(&mut *case.body, effort.batch);
        Self { case, batch, rounds: Vec::with_capacity(effort.rounds) }
    }

    /// One batch, after a tenth of one that only warms the caches up.
    fn run(&mut self) {
        (self.case.body)(self.batch.div_ceil(10));
        let took = (self.case.body)(self.batch);
        self.rounds.push(per_op(took, self.batch));
    }

    fn finish(self) -> Measured {
        let Case { group, name, peer, .. } = self.case;
        Measured { group, name, peer, rounds: self.rounds }
    }
}

/// How many operations fill a batch of that length.
pub(crate) fn batch_size(body: &mut dyn FnMut(u64) -> Duration, length: Duration) -> u64 {
    let mut n = 1_u64;
    loop {
        let took = body(n).max(Duration::from_nanos(1));
        let fits = length.as_nanos() as f64 / took.as_nanos() as f64;
        // A batch near its length tells its size; one far from it was mostly the cost of starting.
        if fits < 4.0 || n > 1 << 32 {
            return ((n as f64 * fits) as u64).max(1);
        }
        n *= 2;
    }
}

/// Nanoseconds for each of `n` operations that took so long together.
pub(crate) fn per_op(took: Duration, n: u64) -> f64 {
    took.as_nanos() as f64 / n as f64
}

/// The middle of the figures, 0 when there are none.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    if figures.is_empty() {
        return 0.0;
    }
    let middle = figures.len() / 2;
    *figures.select_nth_unstable_by(middle, f64::total_cmp).1
}
