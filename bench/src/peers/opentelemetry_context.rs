//! OpenTelemetry's `Context`: an immutable map behind an `Arc`, one value for each type.

use std::hint::black_box;

use opentelemetry::Context;
use opentelemetry::context::FutureExt;

use crate::group::Group;
use crate::keys::{COUNTS, sixty_four, values};
use crate::measure::{Case, timed};
use crate::poll::{self, Forever};
use crate::runtime::{block_on, child, in_task, spawn_and_join};

const PEER: &str = "opentelemetry";

struct Unset(u64);
struct Text(String);
struct Added(#[expect(dead_code, reason = "only its weight is measured")] u64);

macro_rules! declare {
    ($($key:ident)*) => {
        $(struct $key(#[allow(dead_code, reason = "only the first is read; the others are there to be carried")] u64);)*
        static ADD: [fn(&Context) -> Context; 64] = [$(|cx| cx.with_value($key(black_box(1)))),*];
    };
}
sixty_four!(declare);

/// A context with the first `count` values.
pub(crate) fn context(count: usize) -> Context {
    ADD[..count].iter().fold(Context::new(), |cx, add| add(&cx))
}

fn read_first() -> Option<u64> {
    Context::map_current(|cx| cx.get::<K0>().map(|value| value.0))
}

fn read_unset() -> Option<u64> {
    Context::map_current(|cx| cx.get::<Unset>().map(|value| value.0))
}

/// A case whose batches run with so many values.
fn with_values<R>(group: Group, name: String, count: usize, mut op: impl FnMut() -> R + 'static) -> Case {
    Case::new(group, name, PEER, move |n| {
        let _guard = context(count).attach();
        timed(n, &mut op)
    })
}

/// Without a runtime.
pub(crate) fn plain(cases: &mut Vec<Case>) {
    for count in COUNTS {
        cases.push(with_values(Group::Get, values(count), count, read_first));
        cases.push(with_values(Group::Snapshot, values(count), count, || {
            let _guard = Context::current().attach();
            black_box(())
        }));
        cases.push(with_values(Group::FirstSet, values(count), count, || {
            let kept = Context::current();
            let _guard = Context::current_with_value(Added(black_box(7))).attach();
            drop(kept);
        }));
        cases.push(poll::case(values(count), PEER, Forever.with_context(context(count))));
    }
    cases.push(with_values(Group::Get, "64 values, miss".to_owned(), 64, read_unset));
    text(cases);
    for (name, count) in [("u64", 0), ("u64, 8 values there", 8), ("u64, 64 values there", 64)] {
        cases.push(with_values(Group::Scope, name.to_owned(), count, || {
            let _guard = Context::current_with_value(Added(black_box(1))).attach();
            black_box(())
        }));
    }
}

fn text(cases: &mut Vec<Case>) {
    cases.push(Case::new(Group::Get, "String", PEER, |n| {
        let _guard = Context::new().with_value(Text("a request".to_owned())).attach();
        timed(n, || Context::map_current(|cx| cx.get::<Text>().map(|text| text.0.clone())))
    }));
    cases.push(with_values(Group::Scope, "String".to_owned(), 0, || {
        let _guard = Context::current_with_value(Text(black_box("a request").to_owned())).attach();
        black_box(())
    }));
}

/// With a runtime.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    for count in COUNTS {
        cases.push(Case::new(Group::TaskGet, values(count), PEER, move |n| {
            in_task(move || {
                let _guard = context(count).attach();
                timed(n, read_first)
            })
        }));
        cases.push(Case::new(Group::Spawn, values(count), PEER, move |n| {
            let children = spawn_and_join(n, || tokio::spawn(child().with_current_context()));
            block_on(children.with_context(context(count)))
        }));
    }
    cases.push(poll::task_case("64 values", PEER, || Forever.with_context(context(64))));
}
