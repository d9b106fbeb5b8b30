//! A routine that sets few of many declared locals: its weight must follow the values it holds, not the highest index.

use std::pin::Pin;
use std::task::{Context, Waker};

use routines::{FutureExt as _, Local};

use crate::counting::Live;
use crate::memory::parked::Park;

static DECLARED: [Local<u64>; 1_024] = [const { Local::new() }; 1_024];

/// How many routines a row is the mean of.
const ROUTINES: usize = 1_000;

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// The table.
pub(super) fn markdown() -> String {
    // Whoever touches a local last declared may make the process learn of all of them; that is nobody's weight.
    let _ = weigh(&[0, 1_023]);
    let bare = weigh(&[]);
    let mut text = format!(
        "### One routine that sets few of 1,024 declared `Local<u64>`\n\nThe mean of {ROUTINES} routines; \
         what a row adds to a routine that sets nothing ({:.0} bytes, {:.1} allocations, its future included).\n\n\
         | sets | bytes | allocations |\n| --- | ---: | ---: |\n",
        bare.0, bare.1
    );
    let spread: Vec<usize> = (0..8).map(|part| part * 128 + 127).collect();
    let all: Vec<usize> = (0..DECLARED.len()).collect();
    for (name, locals) in [
        ("the first", &[0][..]),
        ("the last", &[1_023]),
        ("the first 8", &[0, 1, 2, 3, 4, 5, 6, 7]),
        ("8 far apart", &spread),
        ("all of them", &all),
    ] {
        let (bytes, blocks) = weigh(locals);
        text += &format!("| {name} | {:+.0} | {:+.1} |\n", bytes - bare.0, blocks - bare.1);
    }
    text + "\n"
}

/// Bytes and allocations of a routine that has set these locals and waits.
fn weigh(locals: &[usize]) -> (f64, f64) {
    let locals: &'static [usize] = locals.to_vec().leak();
    let mut live: Vec<Boxed> = Vec::with_capacity(ROUTINES);
    let before = Live::now();
    for _ in 0..ROUTINES {
        let mut routine: Boxed = Box::pin(set_and_wait(locals).detached());
        let pending = routine.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        assert!(pending, "a parked routine never ends");
        live.push(routine);
    }
    let weight = Live::since(before);
    (weight.bytes as f64 / ROUTINES as f64, weight.blocks as f64 / ROUTINES as f64)
}

async fn set_and_wait(locals: &'static [usize]) {
    for &index in locals {
        DECLARED[index].set(1);
    }
    Park.await;
}
