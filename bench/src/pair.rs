//! The instrument for two threads: the same operation on one thread, then on two at once, again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::measure::{Body, Effort, batch_size, per_op};
use crate::progress::Progress;

/// A case for two threads: each makes a body of its own.
#[derive(Clone, Copy)]
pub(crate) struct PairCase {
    /// What is done.
    pub(crate) name: &'static str,
    /// Who does it.
    pub(crate) peer: &'static str,
    /// Makes the body, on the thread that will run it.
    pub(crate) make: fn() -> Body,
}

/// What was measured of one [`PairCase`]: nanoseconds an operation, one figure a round.
pub(crate) struct PairMeasured {
    /// What is done.
    pub(crate) name: &'static str,
    /// Who does it.
    pub(crate) peer: &'static str,
    /// The time of one operation while the other thread sleeps: the mean of both threads, as they need not be equally fast.
    pub(crate) alone: Vec<f64>,
    /// The time of one operation while both work: the mean of both threads.
    pub(crate) together: Vec<f64>,
}

/// Measures the cases in rounds: in each, every case has a batch on either thread alone and a batch on both at once.
pub(crate) fn measure(cases: &[PairCase], effort: Effort, phase: &str) -> Vec<PairMeasured> {
    let mut progress = Progress::new(phase, effort.pair_rounds);
    let mut partner = Partner::start(cases.to_vec());
    let mut tracks: Vec<Track> = cases.iter().map(|case| Track::new(*case, effort)).collect();
    for round in 0..effort.pair_rounds {
        for (index, track) in tracks.iter_mut().enumerate() {
            track.run(index, &mut partner);
        }
        progress.at(round + 1);
    }
    tracks.into_iter().map(|track| track.result).collect()
}

/// A case under measurement.
struct Track {
    body: Body,
    batch: u64,
    result: PairMeasured,
}

impl Track {
    fn new(case: PairCase, effort: Effort) -> Self {
        let mut body = (case.make)();
        let batch = batch_size(&mut *body, effort.pair_batch);
        let result = PairMeasured { name: case.name, peer: case.peer, alone: Vec::new(), together: Vec::new() };
        Self { body, batch, result }
    }

    fn run(&mut self, index: usize, partner: &mut Partner) {
        (self.body)(self.batch / 10 + 1);
        let ours = (self.body)(self.batch);
        let theirs = partner.alone(index, self.batch);
        self.result.alone.push(per_op((ours + theirs) / 2, self.batch));
        let both = partner.beside(index, self.batch, &mut self.body);
        self.result.together.push(per_op(both / 2, self.batch));
    }
}

/// The second thread. It sleeps unless it has a batch to run, so that batches alone have the machine to themselves.
struct Partner {
    orders: Sender<(usize, u64)>,
    took: Receiver<Duration>,
    /// How many batches the partner has begun: each side waits for the other here, awake.
    begun: Arc<AtomicU64>,
    asked: u64,
}

impl Partner {
    fn start(cases: Vec<PairCase>) -> Self {
        let (orders, inbox) = channel::<(usize, u64)>();
        let (outbox, took) = channel();
        let begun = Arc::new(AtomicU64::new(0));
        let begins = begun.clone();
        thread::spawn(move || {
            let mut bodies: Vec<Body> = cases.iter().map(|case| (case.make)()).collect();
            for (index, batch) in inbox {
                bodies[index](batch / 10 + 1);
                // Release: pairs with the Acquire in `beside`.
                begins.fetch_add(1, Ordering::Release);
                if outbox.send(bodies[index](batch)).is_err() {
                    return;
                }
            }
        });
        Self { orders, took, begun, asked: 0 }
    }

    /// Runs a batch on the partner only.
    fn alone(&mut self, index: usize, batch: u64) -> Duration {
        self.order(index, batch);
        self.took.recv().expect("the partner answers every order")
    }

    /// Runs a batch on both threads at once; how long the two took, added up.
    fn beside(&mut self, index: usize, batch: u64, body: &mut Body) -> Duration {
        self.order(index, batch);
        // Acquire: pairs with the Release in `start`.
        while self.begun.load(Ordering::Acquire) < self.asked {
            std::hint::spin_loop();
        }
        let ours = body(batch);
        let theirs = self.took.recv().expect("the partner answers every order");
        ours + theirs
    }

    fn order(&mut self, index: usize, batch: u64) {
        self.asked += 1;
        self.orders.send((index, batch)).expect("the partner ends only with the instrument");
    }
}
