//! Owns a run: starts the service, sends it batches with and without context, and gathers what the report tells.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::check::{self, Check};
use crate::client::{self, Customers};
use crate::load::{self, Responses};
use crate::logs::{self, Sink};
use crate::mode::{self, Mode};
use crate::progress::Progress;
use crate::serve;
use crate::service::{self, Shop};
use crate::tree::Tree;

/// Into so many batches the requests are cut.
const BATCHES: u64 = 10;
/// Each batch has a book of so many numbers to itself: a multiple of the mix, so that each has the same customers. Books
/// are taken in the order the batches run, so that both kinds insert at the end of the table.
const BOOK: u64 = 1_000_000_000 * client::MIX;
/// So long a routine may take to end after its last sign of life.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to run.
pub(crate) struct Plan {
    /// How many requests, counting those with context only.
    pub(crate) requests: u64,
    /// How many at once.
    pub(crate) concurrency: u64,
    /// How the checked batches carry context.
    pub(crate) mode: Mode,
}

/// What a run found.
pub(crate) struct Findings {
    /// At once.
    pub(crate) concurrency: u64,
    /// Responses with context.
    pub(crate) on: Responses,
    /// Responses without.
    pub(crate) off: Responses,
    /// The check of every line written with context, or while none was in question.
    pub(crate) check: Check,
    /// The batches that were timed, each with its twin.
    pub(crate) pairs: Vec<Pair>,
    /// Lines of the batches without context that had an id all the same.
    pub(crate) ids_while_off: usize,
    /// The routines caught in flight, as a tree.
    pub(crate) tree: Tree,
    /// All lines of one request.
    pub(crate) sample: Vec<String>,
    /// Live routines before the service started and after it ended.
    pub(crate) routines: (usize, usize),
}

/// A batch with context and the same batch without.
#[derive(Default)]
pub(crate) struct Pair {
    /// Requests in each.
    pub(crate) requests: u64,
    /// Time with context.
    pub(crate) on: Duration,
    /// Time without.
    pub(crate) off: Duration,
    /// Lines about requests, with context.
    pub(crate) lines_on: usize,
    /// Lines about requests, without.
    pub(crate) lines_off: usize,
}

/// Runs the plan.
pub(crate) fn run(plan: &Plan) -> Result<Findings, Box<dyn Error>> {
    if plan.mode == Mode::Hooks && !routines_tokio::Flow::is_supported() {
        return Err("this build cannot: build with RUSTFLAGS=\"--cfg tokio_unstable\"".into());
    }
    let sink = logs::to_sink();
    let before = routines::ids().len();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if plan.mode == Mode::Hooks {
        mode::flow().install(&mut builder);
    }
    let runtime = builder.enable_all().build()?;
    let mut findings = runtime.block_on(async {
        tokio::select! {
            findings = serve_and_load(plan, sink) => findings,
            () = serve::interrupted() => Err("interrupted".into()),
        }
    })?;
    drop(runtime);
    findings.routines = (before, routines_after(before));
    Ok(findings)
}

async fn serve_and_load(plan: &Plan, sink: Sink) -> Result<Findings, Box<dyn Error>> {
    let directory = tempfile::Builder::new().prefix("storefront-").tempdir()?;
    let listener = serve::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let shop = Shop::open(directory.path())?;
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let service = tokio::spawn(service::serve(listener, Arc::clone(&shop), stopped));

    let batches = batches(plan.requests);
    let timed: u64 = batches.iter().skip(1).sum();
    let mut run = Run {
        customers: Arc::new(Customers::new(url, Arc::clone(&shop))),
        shop,
        sink,
        concurrency: plan.concurrency,
        mode: plan.mode,
        books: 0,
        progress: Arc::new(Progress::new(plan.requests + timed)),
        findings: Findings::none(plan.concurrency),
    };
    run.warm_up(batches[0]).await;
    for (index, requests) in batches[1..].iter().enumerate() {
        // Where requests fail - descriptors ran out, say - each of the rest would take its whole deadline.
        if run.has_failures() {
            break;
        }
        run.pair(*requests, index % 2 == 0).await;
    }
    run.progress.finish();

    let Run { customers, shop, sink, mut findings, .. } = run;
    drop((customers, shop, stop));
    service.await??;
    findings.check.lines(&sink.take());
    Ok(findings)
}

/// How many requests are in each batch: the same number, a multiple of the mix, in all but the last.
fn batches(requests: u64) -> Vec<u64> {
    let size = requests.div_ceil(BATCHES).next_multiple_of(client::MIX);
    let mut batches = Vec::new();
    let mut left = requests;
    while left > 0 {
        batches.push(size.min(left));
        left -= size.min(left);
    }
    batches
}

struct Run {
    customers: Arc<Customers>,
    shop: Arc<Shop>,
    sink: Sink,
    concurrency: u64,
    mode: Mode,
    /// How many books of order numbers are used up.
    books: u64,
    progress: Arc<Progress>,
    findings: Findings,
}

impl Run {
    /// Opens the connections, fills the pools, and takes what is to be shown: nothing here is timed.
    async fn warm_up(&mut self, requests: u64) {
        let tree = Arc::new(Mutex::new(Tree::default()));
        let catch = {
            let tree = Arc::clone(&tree);
            move || lock(&tree).offer(&routines::dump())
        };
        let (responses, _, lines) = self.batch(requests, self.mode, catch).await;
        self.findings.check.lines(&lines);
        self.findings.on += responses;
        self.findings.sample = sample(&lines);
        self.findings.tree = std::mem::take(&mut *lock(&tree));
    }

    /// A batch each way.
    async fn pair(&mut self, requests: u64, on_first: bool) {
        let mut pair = Pair { requests, ..Pair::default() };
        for on in [on_first, !on_first] {
            if on { self.on(&mut pair).await } else { self.off(&mut pair).await }
        }
        self.findings.pairs.push(pair);
    }

    fn has_failures(&self) -> bool {
        !self.findings.on.failed.is_empty() || !self.findings.off.failed.is_empty()
    }

    async fn on(&mut self, pair: &mut Pair) {
        let (responses, took, lines) = self.batch(pair.requests, self.mode, || ()).await;
        let before = self.findings.check.owned();
        self.findings.check.lines(&lines);
        self.findings.on += responses;
        (pair.on, pair.lines_on) = (took, self.findings.check.owned() - before);
    }

    async fn off(&mut self, pair: &mut Pair) {
        let (responses, took, lines) = self.batch(pair.requests, Mode::Off, || ()).await;
        let (with_id, owned) = check::count(&lines);
        self.findings.ids_while_off += with_id;
        self.findings.off += responses;
        (pair.off, pair.lines_off) = (took, owned);
    }

    /// Responses, time and lines of a batch, when all of it has come to rest.
    async fn batch(
        &mut self,
        requests: u64,
        mode: Mode,
        look: impl Fn() + Clone + Send + Sync + 'static,
    ) -> (Responses, Duration, String) {
        let first = self.books * BOOK;
        self.books += 1;
        mode::set(mode);
        let orders = first..first + requests;
        let (responses, took) = load::batch(&self.customers, orders, self.concurrency, &self.progress, look).await;
        self.shop.quiet().await;
        (responses, took, self.sink.take())
    }
}

impl Findings {
    fn none(concurrency: u64) -> Self {
        Findings {
            concurrency,
            on: Responses::default(),
            off: Responses::default(),
            check: Check::new(client::request_id),
            pairs: Vec::new(),
            ids_while_off: 0,
            tree: Tree::default(),
            sample: Vec::new(),
            routines: (0, 0),
        }
    }
}

/// The lines of the request that wrote most.
fn sample(lines: &str) -> Vec<String> {
    let mut by_order = std::collections::BTreeMap::<u64, Vec<String>>::new();
    for line in lines.lines() {
        if let Some(order) = check::order_of(line) {
            by_order.entry(order).or_default().push(line.to_owned());
        }
    }
    by_order.into_values().rev().max_by_key(Vec::len).unwrap_or_default()
}

fn lock(tree: &Mutex<Tree>) -> MutexGuard<'_, Tree> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many routines live once those that were ending have ended; a leak shows as more than `before`.
fn routines_after(before: usize) -> usize {
    let begin = Instant::now();
    loop {
        let live = routines::ids().len();
        if live <= before || begin.elapsed() > PATIENCE {
            return live;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_make_up_the_requests() {
        for requests in [1, 19, 20, 21, 60, 2_000, 2_010] {
            let batches = batches(requests);
            assert_eq!(batches.iter().sum::<u64>(), requests);
            assert!(batches.len() as u64 <= BATCHES, "{requests}");
            assert!(batches.iter().rev().skip(1).all(|batch| batch % client::MIX == 0));
        }
    }
}
