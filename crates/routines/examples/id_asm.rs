//! Two functions to look at in a disassembler: what `id()` costs. Watched by `tests/instructions.rs`.

/// The current id.
#[inline(never)]
fn asm_probe_id() -> u64 {
    routines::id().as_u64()
}

fn main() {
    // Not known when compiled, so that the call stays a call.
    let ask = std::hint::black_box(asm_probe_id as fn() -> u64);
    println!("routine {}", ask());
}
