//! The standard library and tokio's own tasks: no context at all, and the plain ways to have one by hand.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use crate::group::{BARE, Group};
use crate::measure::{Case, timed};
use crate::poll::{self, Forever};
use crate::runtime::{block_on, child, in_task, spawn_and_join};

const STD: &str = "std";
const TOKIO: &str = "tokio";

thread_local! {
    static CELL: Cell<u64> = const { Cell::new(0) };
    static NUMBER: RefCell<u64> = const { RefCell::new(0) };
    static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    CELL.with(|cell| black_box(cell).set(black_box(1)));
    NUMBER.with(|cell| black_box(cell).replace(black_box(1)));
    TEXT.with(|cell| black_box(cell).replace(black_box("a request".to_owned())));
    cases.push(Case::op(Group::Id, "id", "std thread::current().id()", || thread::current().id()));
    cases.push(Case::op(Group::Id, "id, outside any task", "tokio task::try_id", tokio::task::try_id));
    cases.push(Case::op(Group::Get, "1 value", "std RefCell", || NUMBER.with(|cell| *cell.borrow())));
    cases.push(Case::op(Group::Get, "String", "std RefCell", || TEXT.with(|cell| cell.borrow().clone())));
    cases.push(Case::op(Group::Set, "u64", "std Cell", || CELL.with(|cell| cell.replace(black_box(7)))));
    cases.push(Case::op(Group::Set, "u64", "std RefCell", || NUMBER.with(|cell| cell.replace(black_box(7)))));
    cases.push(Case::op(Group::Set, "String", "std RefCell", || {
        TEXT.with(|cell| cell.replace(black_box("a request").to_owned()))
    }));
    cases.push(poll::case("poll", BARE, Forever));
}

/// With tokio's own tasks.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::TaskId, "id", "std thread::current().id()", |n| {
        in_task(move || timed(n, || thread::current().id()))
    }));
    cases
        .push(Case::new(Group::TaskId, "id", "tokio task::try_id", |n| in_task(move || timed(n, tokio::task::try_id))));
    cases.push(Case::new(Group::TaskId, "id", "tokio task::id", |n| in_task(move || timed(n, tokio::task::id))));
    cases.push(Case::new(Group::TaskGet, "1 value", "std RefCell", |n| {
        in_task(move || timed(n, || NUMBER.with(|cell| *cell.borrow())))
    }));
    cases.push(poll::task_case("poll", BARE, || Forever));
    spawns(cases);
    jobs(cases);
}

fn spawns(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Spawn, "no context", BARE, |n| block_on(spawn_and_join(n, || tokio::spawn(child())))));
    let shared = Arc::new([0_u64; 64]);
    cases.push(Case::new(Group::Spawn, "64 values", "an Arc moved by hand", move |n| {
        block_on(spawn_and_join(n, || {
            let shared = shared.clone();
            tokio::spawn(async move {
                black_box(shared);
            })
        }))
    }));
}

fn jobs(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Jobs, "blocking job", TOKIO, |n| {
        block_on(spawn_and_join(n, || tokio::task::spawn_blocking(|| black_box(()))))
    }));
    cases.push(Case::op(Group::Jobs, "thread", STD, || thread::spawn(|| black_box(())).join().is_ok()));
}
