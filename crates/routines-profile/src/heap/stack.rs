//! Owns the stacks of samples: how they are taken, and which of their frames are shown.

use std::sync::Arc;

use crate::profile::frame::Frame;
use crate::profile::symbols::Symbols;
use crate::sys::alloc;

/// Frames beyond so many are left out: the outermost.
const DEEPEST: usize = 128;
/// The frame of what has no stack.
const NOWHERE: &str = "heap";
/// Frames are the allocator's as far as the outermost function of one of these names.
const ALLOCATING: [&str; 4] = ["__rust_alloc", "__rust_realloc", "__rust_alloc_zeroed", "routines_profile::"];
/// So many of the innermost frames may be the allocator's.
const INNERMOST: usize = 16;

/// The return addresses of the calls under way on this thread, the innermost first.
pub(super) fn capture() -> Box<[usize]> {
    let mut stack = [0; DEEPEST];
    let mut depth = 0;
    alloc::each_return_address(&mut |address| {
        // Below a thread's first function there is none to return to.
        if address != 0 {
            stack[depth] = address;
            depth += 1;
        }
        depth < DEEPEST
    });
    stack[..depth].into()
}

/// The frames of a stack, without the allocator's own.
pub(super) fn named(stack: &[usize], symbols: &mut Symbols) -> Vec<Arc<Frame>> {
    // A return address is that of the instruction after the call, which may be another line's.
    let mut frames: Vec<_> = stack.iter().map(|address| symbols.frame(address - 1)).collect();
    let innermost = &frames[..frames.len().min(INNERMOST)];
    let own = innermost.iter().rposition(|frame| is_allocators(frame)).map_or(0, |last| last + 1);
    frames.drain(..own);
    if frames.is_empty() { vec![Frame::synthetic(NOWHERE.to_owned())] } else { frames }
}

/// Whether the function itself is: calls that were inlined into another are shown.
fn is_allocators(frame: &Frame) -> bool {
    let function = frame.calls.last().map_or("", |call| call.function.as_str());
    ALLOCATING.iter().any(|name| function.contains(name))
}
