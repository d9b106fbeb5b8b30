//! The yardsticks and the floors: what this machine charges for the pieces that every peer is made of.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use coarsetime::Instant as Coarse;

use crate::group::Group;
use crate::measure::{Body, Case, timed};
use crate::pair::PairCase;
use crate::runtime::{block_on, child, spawn_and_join};

/// The peer name of the pieces.
const MACHINE: &str = "machine";

/// The case name of the yardstick behind xR.
pub(crate) const RAND: &str = "rand::random::<u64>()";
/// The case name of the yardstick behind xT.
pub(crate) const TLS: &str = "const thread_local Cell<u64>, read";

thread_local! {
    static CELL: Cell<u64> = const { Cell::new(0) };
    static LAZY: Cell<u64> = Cell::new(rand::random());
    static REF_CELL: RefCell<u64> = const { RefCell::new(0) };
}

/// Shows the compiler that someone else may know where the thread's cell is, so that each read is one.
fn expose() {
    CELL.with(|cell| black_box(cell).set(black_box(1)));
    LAZY.with(|cell| black_box(cell).set(black_box(1)));
    REF_CELL.with(|cell| black_box(cell).replace(black_box(1)));
}

fn floor<R>(name: &'static str, op: impl FnMut() -> R + 'static) -> Case {
    Case::op(Group::Floors, name, MACHINE, op)
}

/// The two yardsticks: in every phase, as the ratios hold only within the same rounds.
pub(crate) fn yardsticks(cases: &mut Vec<Case>) {
    expose();
    cases.push(floor(RAND, rand::random::<u64>));
    cases.push(floor(TLS, || CELL.with(Cell::get)));
}

/// Whether a case is one of the two.
pub(crate) fn is_yardstick(case: &Case) -> bool {
    case.group == Group::Floors && [RAND, TLS].contains(&&*case.name)
}

/// The pieces.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    yardsticks(cases);
    thread_locals(cases);
    let shared = Arc::new(1_u64);
    let mutex = Mutex::new(0_u64);
    let counter = AtomicU64::new(0);
    cases.push(floor("Arc clone + drop", move || shared.clone()));
    cases.push(floor("malloc + free, 112 B", || Vec::<u8>::with_capacity(black_box(112))));
    cases.push(floor("uncontended Mutex, lock + unlock", move || mutex.lock().map(|mut guard| *guard += 1).is_ok()));
    cases.push(floor("uncontended atomic add", move || counter.fetch_add(1, Ordering::Relaxed)));
    cases.push(floor("coarse clock", Coarse::now_without_cache_update));
    cases.push(floor("Instant::now", Instant::now));
}

fn thread_locals(cases: &mut Vec<Case>) {
    cases.push(floor("const thread_local Cell<u64>, swap", || CELL.with(|cell| cell.replace(black_box(2)))));
    cases.push(floor("const thread_local Cell<u64>, swap in and out", || {
        let prev = CELL.with(|cell| cell.replace(black_box(2)));
        black_box(());
        CELL.with(|cell| cell.set(prev));
    }));
    cases.push(floor("lazy thread_local Cell<u64>, read", || LAZY.with(Cell::get)));
    cases.push(floor("const thread_local RefCell<u64>, read", || REF_CELL.with(|cell| *cell.borrow())));
}

/// The yardsticks on two threads: what the machine can double at all.
pub(crate) const PAIRS: [PairCase; 3] = [
    PairCase { name: "rand::random", peer: MACHINE, make: || body(rand::random::<u64>) },
    PairCase { name: "thread_local read", peer: MACHINE, make: pair_cell },
    PairCase { name: "malloc + free", peer: MACHINE, make: || body(|| Vec::<u8>::with_capacity(black_box(112))) },
];

fn pair_cell() -> Body {
    expose();
    body(|| CELL.with(Cell::get))
}

fn body<R>(mut op: impl FnMut() -> R + 'static) -> Body {
    Box::new(move |n| timed(n, &mut op))
}

/// A bare spawn on two threads, each with a runtime of its own.
pub(crate) const TASK_PAIRS: [PairCase; 1] = [PairCase {
    name: "spawn + join",
    peer: MACHINE,
    make: || Box::new(|n| block_on(spawn_and_join(n, || tokio::spawn(child())))),
}];
