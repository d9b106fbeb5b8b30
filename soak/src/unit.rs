//! Owns a unit of work: a random program that reads, binds, scopes, suspends, starts others, panics or is aborted, and knows at
//! every step what it must read.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use routines::Snapshot;

use crate::oracle::{Expected, any_key, fresh, key};
use crate::ways::{self, Host, Way};

/// Steps of a program.
const STEPS: u32 = 12;
/// Scopes and units are nested no deeper.
const DEPTH: u32 = 6;

/// A unit of work. Dropped inside its context, whatever becomes of it; it checks that.
pub(crate) struct Unit {
    host: Arc<Host>,
    way: Way,
    random: StdRng,
    depth: u32,
    /// Whether it may wait for work on other threads: what blocks a thread must not, since that work may need the thread.
    waits: bool,
    /// What must be read: in the innermost scope last.
    expected: Vec<Expected>,
    /// Whether it has run: a runtime that is shut down drops what a plain spawn gives it before its hook can tell of it.
    begun: bool,
    done: bool,
}

impl Unit {
    /// The first of a family.
    pub(crate) fn root(host: &Arc<Host>, seed: u64) -> Unit {
        Unit::new(host, Way::Root, seed, 0, Expected::default())
    }

    fn new(host: &Arc<Host>, way: Way, seed: u64, depth: u32, expected: Expected) -> Unit {
        host.tally.started(way);
        let (host, random) = (Arc::clone(host), StdRng::seed_from_u64(seed));
        Unit { host, way, random, depth, waits: way.waits(true), expected: vec![expected], begun: false, done: false }
    }

    fn expected(&self) -> Expected {
        *self.expected.last().expect("the outermost scope is never left")
    }

    fn expect(&mut self) -> &mut Expected {
        self.expected.last_mut().expect("the outermost scope is never left")
    }

    fn check(&self, place: &str) {
        self.host.tally.check(self.way, place, self.expected());
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.random.random_ratio(1, one_in)
    }

    /// Runs the program.
    pub(crate) async fn run(mut self) {
        self.begun = true;
        self.check("first");
        program(&mut self, 0).await;
        self.check("last");
        self.done = true;
    }

    /// Runs the program on this thread, without an executor.
    pub(crate) fn run_here(self) {
        futures::executor::block_on(self.run());
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if self.begun || self.way.is_wrapped() {
            self.check(if self.begun { "dropped" } else { "dropped before it ran" });
        }
        self.host.tally.ended(!self.done);
    }
}

/// Leaves a scope of the model, also when the program is dropped or panics in it.
struct Inner<'a>(&'a mut Unit);

impl<'a> Inner<'a> {
    fn enter(unit: &'a mut Unit, expected: Expected) -> Self {
        unit.expected.push(expected);
        Inner(unit)
    }
}

impl Drop for Inner<'_> {
    fn drop(&mut self) {
        self.0.expected.pop();
    }
}

fn program(unit: &mut Unit, level: u32) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
    Box::pin(async move {
        for _ in 0..unit.random.random_range(1..=STEPS) {
            step(unit, level).await;
            unit.check("step");
        }
    })
}

async fn step(unit: &mut Unit, level: u32) {
    match unit.random.random_range(0..12) {
        0..3 => suspend().await,
        3 => unit.set(),
        4 => {
            let key = any_key(&mut unit.random);
            unit.expect().remove(key);
        }
        5 if level < DEPTH => scope(unit, level).await,
        6 if level < DEPTH => sync_scope(unit),
        7 => restore(unit),
        8 => guard(unit),
        9 if unit.chance(40) => {
            unit.host.tally.panics();
            // Without the panic hook's lines.
            std::panic::resume_unwind(Box::new("injected"));
        }
        9 if unit.chance(10) => {
            routines::flush();
            *unit.expect() = Expected::default();
        }
        _ if unit.depth < DEPTH && unit.host.tally.may_start() => start(unit).await,
        _ => suspend().await,
    }
}

/// Waits for the executor to come round again. Not tokio's own: this runs everywhere.
async fn suspend() {
    let mut suspended = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut suspended, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

impl Unit {
    fn set(&mut self) {
        let key = any_key(&mut self.random);
        self.expect().set(key, fresh());
    }
}

async fn scope(unit: &mut Unit, level: u32) {
    let (number, value) = (any_key(&mut unit.random), fresh());
    let expected = unit.expected().with(number, value);
    let (key, make) = key(number);
    let inner = async {
        let inner = Inner::enter(unit, expected);
        inner.0.check("scope");
        program(inner.0, level + 1).await;
    };
    // Boxed: in a unit that began with it the scope would otherwise be the unit's own routine, which changes nothing here.
    Box::pin(key.scope(make(value), inner)).await;
}

fn sync_scope(unit: &mut Unit) {
    let (number, value) = (any_key(&mut unit.random), fresh());
    let expected = unit.expected().with(number, value);
    let (key, make) = key(number);
    key.sync_scope(make(value), || {
        let inner = Inner::enter(unit, expected);
        inner.0.check("sync scope");
        inner.0.set();
        inner.0.check("set in a sync scope");
        if inner.0.chance(3) {
            let snapshot = Snapshot::capture();
            let captured = inner.0.expected().child();
            inner.0.set();
            let empty = inner.0.chance(2);
            let (snapshot, expected) =
                if empty { (Snapshot::empty(), Expected::default()) } else { (snapshot, captured) };
            snapshot.sync_scope(|| Inner::enter(inner.0, expected).0.check("snapshot scope"));
        }
    });
}

fn restore(unit: &mut Unit) {
    let snapshot = Snapshot::capture();
    let then = unit.expected();
    unit.set();
    if snapshot.try_restore().is_err() {
        return;
    }
    let restored = unit.expected().restored(then);
    *unit.expect() = restored;
}

fn guard(unit: &mut Unit) {
    let then = unit.expected().child();
    let snapshot = Snapshot::capture();
    unit.set();
    let guard = snapshot.enter();
    Inner::enter(unit, then).0.check("guard");
    drop(guard);
}

async fn start(unit: &mut Unit) {
    let way = Way::any(&mut unit.random);
    let expected = if way.inherits() { unit.expected().child() } else { Expected::default() };
    let mut child = Unit::new(&unit.host, way, unit.random.random(), unit.depth + 1, expected);
    child.waits = way.waits(unit.waits);
    let started = ways::start(&unit.host, way, child);
    unit.check("after a start");
    match unit.random.random_range(0..4) {
        // To its end, or half way and no further.
        0 if unit.waits || started.is_held() => started.done().await,
        1 => {
            suspend().await;
            started.abort();
        }
        2 => started.abort(),
        _ => started.forget(),
    }
}
