//! `emit`'s frames of properties, on the ambient runtime with its thread-local context.

use std::hint::black_box;
use std::time::Duration;

use emit::{Ctxt, Frame, Props};

use crate::group::Group;
use crate::keys::{COUNTS, NAMES, values};
use crate::measure::{Case, timed};
use crate::poll::{self, Forever};
use crate::runtime::{block_on, child, in_task, spawn_and_join};

const PEER: &str = "emit";

/// Sets the ambient runtime up, with no emitter.
pub(crate) fn set_up() {
    let _init = emit::setup().init();
}

type Ambient = emit::runtime::AmbientCtxt<'static>;

/// A frame with the first `count` properties.
pub(crate) fn frame(count: usize) -> Frame<Ambient> {
    let props: Vec<(&str, u64)> = NAMES[..count].iter().map(|name| (*name, black_box(1))).collect();
    Frame::root(emit::ctxt(), &props[..])
}

fn read(name: &'static str) -> Option<u64> {
    emit::ctxt().with_current(|props| props.pull::<u64, _>(name))
}

fn in_frame<R>(count: usize, n: u64, op: impl FnMut() -> R) -> Duration {
    frame(count).call(|| timed(n, op))
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    for count in COUNTS {
        cases.push(Case::new(Group::Get, values(count), PEER, move |n| in_frame(count, n, || read("K0"))));
        cases.push(Case::new(Group::Snapshot, values(count), PEER, move |n| {
            in_frame(count, n, || Frame::current(emit::ctxt()).call(|| black_box(())))
        }));
        cases.push(Case::new(Group::FirstSet, values(count), PEER, move |n| {
            in_frame(count, n, || {
                let kept = Frame::current(emit::ctxt());
                Frame::push(emit::ctxt(), ("added", black_box(7_u64))).call(|| black_box(()));
                drop(kept);
            })
        }));
        cases.push(poll::case(values(count), PEER, frame(count).in_future(Forever)));
    }
    cases.push(Case::new(Group::Get, "64 values, miss", PEER, |n| in_frame(64, n, || read("unset"))));
    for (name, count) in [("u64", 0), ("u64, 8 values there", 8), ("u64, 64 values there", 64)] {
        cases.push(Case::new(Group::Scope, name, PEER, move |n| {
            in_frame(count, n, || Frame::push(emit::ctxt(), ("added", black_box(1_u64))).call(|| black_box(())))
        }));
    }
}

/// With a runtime.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    for count in COUNTS {
        cases.push(Case::new(Group::TaskGet, values(count), PEER, move |n| {
            in_task(move || in_frame(count, n, || read("K0")))
        }));
        cases.push(Case::new(Group::Spawn, values(count), PEER, move |n| {
            let children = spawn_and_join(n, || tokio::spawn(Frame::current(emit::ctxt()).in_future(child())));
            block_on(frame(count).in_future(children))
        }));
    }
    cases.push(poll::task_case("64 values", PEER, || frame(64).in_future(Forever)));
}
