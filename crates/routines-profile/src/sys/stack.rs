//! Owns the walk along frame pointers: how a signal handler learns who called the interrupted code, whatever is in its registers.
//!
//! In code without frame pointers the register holds anything, and what it points to can be unmapped by another thread at any moment:
//! no table of mappings makes a load safe. So nothing is loaded: the kernel copies, and says no where there is nothing to copy.
//! This serves threads, coroutines on stacks of their own and signal stacks alike, and no bounds need to be known.
//!
//! Invariants, named where they are used:
//! - **HANDED**: the kernel gives a handler of three arguments a valid context as its third.
//! - **OWN BUFFER**: the kernel writes only into the local buffer, and no more than its length; the remote side is only read, and by
//!   the kernel, which answers an address that is not mapped with an error.

use std::ffi::c_void;
use std::io;

/// A frame further than this from the one before it is none: half the address range of the largest usual stack.
const MAX_FRAME: usize = 8 << 20;
/// Frames are copied so many bytes at a time: a call costs the same for any size up to a page, and the stack of a handler is small.
const WINDOW: usize = 512;
const WORD: usize = size_of::<usize>();
const PAGE: usize = 4096;

/// The registers of the interrupted code.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    pc: usize,
    sp: usize,
    fp: usize,
}

impl Registers {
    /// # Safety
    /// `context` is what the kernel handed to a handler that is still running.
    pub(super) unsafe fn of(context: *mut c_void) -> Self {
        let context = context.cast::<libc::ucontext_t>();
        // SAFETY: HANDED.
        let machine = unsafe { &(*context).uc_mcontext };
        Self::from_machine(machine)
    }

    #[cfg(target_arch = "x86_64")]
    fn from_machine(machine: &libc::mcontext_t) -> Self {
        let register = |index: libc::c_int| machine.gregs[index as usize] as usize;
        Self { pc: register(libc::REG_RIP), sp: register(libc::REG_RSP), fp: register(libc::REG_RBP) }
    }

    #[cfg(target_arch = "aarch64")]
    fn from_machine(machine: &libc::mcontext_t) -> Self {
        Self { pc: machine.pc as usize, sp: machine.sp as usize, fp: machine.regs[29] as usize }
    }
}

/// Gives the interrupted address, then that of each return, innermost first, until `push` says it is enough. Async-signal-safe.
pub(super) fn walk(process: libc::pid_t, registers: Registers, mut push: impl FnMut(usize) -> bool) {
    let Registers { pc, sp, mut fp } = registers;
    let mut more = push(pc);
    let mut below = sp.wrapping_sub(1);
    let mut window = Window { start: 0, len: 0, bytes: [0; WINDOW] };
    while more && is_frame(below, fp) {
        let Some((caller, back)) = window.frame(process, fp) else { return };
        if back == 0 {
            return;
        }
        more = push(without_authentication(back));
        (below, fp) = (fp, caller);
    }
}

/// Frames lie one above the other.
fn is_frame(below: usize, fp: usize) -> bool {
    fp.is_multiple_of(WORD) && fp > below && fp - below <= MAX_FRAME
}

/// Signed return addresses carry their signature above the address.
fn without_authentication(back: usize) -> usize {
    if cfg!(target_arch = "aarch64") { back & 0x0000_ffff_ffff_ffff } else { back }
}

/// A stretch of the stack, copied.
struct Window {
    start: usize,
    len: usize,
    bytes: [u8; WINDOW],
}

impl Window {
    /// The frame at `fp`: the caller's frame and the address of return.
    fn frame(&mut self, process: libc::pid_t, fp: usize) -> Option<(usize, usize)> {
        if self.pair(fp).is_none() {
            self.len = copy(process, fp, &mut self.bytes).ok()?;
            self.start = fp;
        }
        self.pair(fp)
    }

    fn pair(&self, fp: usize) -> Option<(usize, usize)> {
        let held = self.bytes.get(..self.len)?.get(fp.wrapping_sub(self.start)..)?;
        let (caller, held) = held.split_first_chunk()?;
        let back = held.first_chunk()?;
        Some((usize::from_ne_bytes(*caller), usize::from_ne_bytes(*back)))
    }
}

/// Copies from `from` on, as far as it is mapped; how many bytes.
fn copy(process: libc::pid_t, from: usize, into: &mut [u8; WINDOW]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: WINDOW };
    // The second page may be missing where the first is there, and pieces are copied whole or not at all.
    let first = WINDOW.min(PAGE - from % PAGE);
    let piece = |from: usize, len| libc::iovec { iov_base: std::ptr::without_provenance_mut(from), iov_len: len };
    let remote = [piece(from, first), piece(from.wrapping_add(first), WINDOW - first)];
    // SAFETY: OWN BUFFER.
    let copied = unsafe { libc::process_vm_readv(process, &local, 1, remote.as_ptr(), 2, 0) };
    usize::try_from(copied).map_err(|_| io::Error::last_os_error())
}

/// Whether the process may be read this way: filters of system calls can forbid it.
pub(super) fn check(process: libc::pid_t) -> io::Result<()> {
    let here = [0; WINDOW];
    copy(process, here.as_ptr() as usize, &mut [0; WINDOW]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(stack: &[usize], fp: usize) -> Vec<usize> {
        let mut pcs = Vec::new();
        let registers = Registers { pc: 1, sp: stack.as_ptr() as usize, fp };
        walk(std::process::id() as libc::pid_t, registers, |pc| {
            pcs.push(pc);
            pcs.len() < 5
        });
        pcs
    }

    /// Frames of two words each, the innermost first; the last names no caller.
    fn frames(count: usize) -> Vec<usize> {
        let mut stack = vec![0; 2 * count];
        for frame in 0..count {
            let next = stack.as_ptr() as usize + (2 * frame + 2) * WORD;
            stack[2 * frame] = if frame + 1 < count { next } else { 0 };
            stack[2 * frame + 1] = 100 + frame;
        }
        stack
    }

    #[test]
    fn a_chain_of_frames_is_followed_to_its_end() {
        let stack = frames(3);
        assert_eq!(walked(&stack, stack.as_ptr() as usize), [1, 100, 101, 102]);
    }

    #[test]
    fn no_more_is_walked_than_there_is_room_for() {
        let stack = frames(100);
        assert_eq!(walked(&stack, stack.as_ptr() as usize).len(), 5);
    }

    #[test]
    fn a_wild_frame_pointer_ends_the_walk() {
        let stack = frames(2);
        let here = stack.as_ptr() as usize;
        for wild in [0, 1, 8, here + 1, here - 8, usize::MAX, usize::MAX - 7, here + MAX_FRAME / 2] {
            assert_eq!(walked(&stack, wild)[0], 1, "{wild:#x}");
        }
    }

    #[test]
    fn a_chain_that_turns_back_ends() {
        let mut stack = frames(3);
        stack[2] = stack.as_ptr() as usize;
        assert_eq!(walked(&stack, stack.as_ptr() as usize), [1, 100, 101]);
    }

    #[test]
    fn a_frame_at_the_end_of_what_is_mapped_is_read() {
        // SAFETY: a fresh private mapping of two pages.
        let two =
            unsafe { libc::mmap(std::ptr::null_mut(), 2 * PAGE, 3, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
        // SAFETY: the second of them, used by nobody.
        assert_eq!(unsafe { libc::munmap(two.wrapping_byte_add(PAGE), PAGE) }, 0);
        let last = two.wrapping_byte_add(PAGE - 2 * WORD).cast::<[usize; 2]>();
        // SAFETY: the last two words of the first.
        unsafe { last.write([0, 77]) };
        let mut pcs = Vec::new();
        let registers = Registers { pc: 1, sp: two as usize, fp: last as usize };
        walk(std::process::id() as libc::pid_t, registers, |pc| {
            pcs.push(pc);
            true
        });
        assert_eq!(pcs, [1, 77]);
    }
}
