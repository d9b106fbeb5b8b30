//! `thread_local`: a value for each thread, made and freed with the object that holds them.

use std::cell::Cell;
use std::hint::black_box;

use thread_local::ThreadLocal;

use crate::group::Group;
use crate::measure::Case;

const PEER: &str = "thread_local (crate)";

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    let read: ThreadLocal<Cell<u64>> = ThreadLocal::new();
    read.get_or_default().set(black_box(1));
    cases.push(Case::op(Group::Get, "1 value", PEER, move || read.get().map(Cell::get)));
    let written: ThreadLocal<Cell<u64>> = ThreadLocal::new();
    cases.push(Case::op(Group::Set, "u64", PEER, move || written.get_or_default().replace(black_box(7))));
}
