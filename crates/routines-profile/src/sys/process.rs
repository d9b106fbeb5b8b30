//! Owns the process context of OTEP 4719: one named mapping whose header points at the payload.
//!
//! Invariants, named where they are used:
//! - **ONE WRITER**: [`publish`] is called with the table of keys locked, [`after_fork`] in a child that has one thread, so no two
//!   run at a time; readers of other processes follow the header's protocol.
//! - **MAPPED**: a header in `HEADER` with this process's id beside it was mapped by this process and is never unmapped. A child
//!   does not inherit the mapping, and its id differs.

use std::cell::RefCell;
use std::ffi::CStr;
use std::io;
use std::mem::size_of;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

use crate::record;

const NAME: &CStr = c"OTEL_CTX";
const SIGNATURE: [u8; 8] = *b"OTEL_CTX";
const VERSION: u32 = 2;

#[repr(C)]
struct Header {
    signature: AtomicU64,
    version: AtomicU32,
    payload_size: AtomicU32,
    /// Moment of the last change, by the clock that also runs in suspend; 0: being changed.
    published_ns: AtomicU64,
    payload: AtomicU64,
}

static HEADER: AtomicPtr<Header> = AtomicPtr::new(ptr::null_mut());
static OWNER: AtomicI32 = AtomicI32::new(0);
/// The payload last published: a child publishes it again, from its copy of the same memory.
static PAYLOAD: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());
static PAYLOAD_LEN: AtomicUsize = AtomicUsize::new(0);

/// Publishes `payload` as this process's context, instead of what it published before.
pub(crate) fn publish(payload: &'static [u8]) -> io::Result<()> {
    PAYLOAD.store(payload.as_ptr().cast_mut(), Ordering::Relaxed);
    PAYLOAD_LEN.store(payload.len(), Ordering::Relaxed);
    show()
}

/// Shows the payload, in a mapping that is made if this process has none yet.
fn show() -> io::Result<()> {
    let header = if OWNER.load(Ordering::Relaxed) == pid() { HEADER.load(Ordering::Relaxed) } else { ptr::null_mut() };
    let header = if header.is_null() { map()? } else { header };
    // SAFETY: MAPPED; all its fields are atomic, and a new mapping is zero.
    write(unsafe { &*header });
    name(header);
    HEADER.store(header, Ordering::Relaxed);
    OWNER.store(pid(), Ordering::Relaxed);
    Ok(())
}

fn write(header: &Header) {
    let before = header.published_ns.load(Ordering::Relaxed);
    header.published_ns.store(0, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    header.signature.store(u64::from_ne_bytes(SIGNATURE), Ordering::Relaxed);
    header.version.store(VERSION, Ordering::Relaxed);
    header.payload_size.store(PAYLOAD_LEN.load(Ordering::Relaxed) as u32, Ordering::Relaxed);
    header.payload.store(PAYLOAD.load(Ordering::Relaxed).addr() as u64, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    header.published_ns.store(now_ns().max(before + 1), Ordering::Relaxed);
}

fn map() -> io::Result<*mut Header> {
    let size = size_of::<Header>();
    let file = memory_file(size);
    let (flags, file_or_none) = match file {
        Some(file) => (libc::MAP_PRIVATE, file),
        None => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
    };
    // SAFETY: a new mapping at an address of the kernel's choice.
    let at = unsafe { libc::mmap(ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, file_or_none, 0) };
    let mapped = if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(at) };
    if let Some(file) = file {
        // SAFETY: ours, and used no more.
        unsafe { libc::close(file) };
    }
    let at = mapped?;
    // SAFETY: the mapping made above.
    let kept_from_children = unsafe { libc::madvise(at, size, libc::MADV_DONTFORK) } == 0;
    if !kept_from_children || (file.is_none() && !name(at.cast())) {
        let why = io::Error::last_os_error();
        // SAFETY: the mapping made above, which nobody has seen.
        unsafe { libc::munmap(at, size) };
        return Err(why);
    }
    Ok(at.cast())
}

/// A file of `size` bytes in memory, with the name readers look for; `None` where that is forbidden.
fn memory_file(size: usize) -> Option<i32> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // Kernels before 6.3 do not know the flag that forbids to execute it.
    let file = [flags | libc::MFD_NOEXEC_SEAL, flags].into_iter().find_map(|flags| {
        // SAFETY: a valid C string.
        let file = unsafe { libc::memfd_create(NAME.as_ptr(), flags) };
        (file >= 0).then_some(file)
    })?;
    // SAFETY: the file made above.
    if unsafe { libc::ftruncate(file, size as libc::off_t) } == 0 {
        return Some(file);
    }
    // SAFETY: ours, and used no more.
    unsafe { libc::close(file) };
    None
}

/// Names the mapping, where the kernel can; also a sign to tools that watch for it.
fn name(header: *mut Header) -> bool {
    // SAFETY: the mapping of a header, and a valid C string that outlives the call.
    unsafe {
        libc::prctl(libc::PR_SET_VMA, libc::PR_SET_VMA_ANON_NAME, header, size_of::<Header>(), NAME.as_ptr()) == 0
    }
}

fn now_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is writable for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn pid() -> i32 {
    // SAFETY: no preconditions.
    unsafe { libc::getpid() }
}

/// Has children publish the context again.
pub(crate) fn follow_forks() -> io::Result<()> {
    // SAFETY: the three functions stay loaded: a library with thread-locals like ours is never unloaded.
    match unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork_in_parent), Some(after_fork)) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

thread_local! {
    /// The table of keys, locked while this thread forks: a child gets it complete and unlocked.
    static HELD: RefCell<Option<record::Appending>> = const { RefCell::new(None) };
}

extern "C" fn before_fork() {
    // A thread that forks in its very end goes without.
    let _ended = HELD.try_with(|held| *held.borrow_mut() = Some(record::lock()));
}

extern "C" fn after_fork_in_parent() {
    let _ended = HELD.try_with(|held| held.borrow_mut().take());
}

/// Only system calls: other threads of the parent may have held any lock, the allocator's included.
extern "C" fn after_fork() {
    // Not inherited, whatever our id is: a first process of a namespace forks another.
    HEADER.store(ptr::null_mut(), Ordering::Relaxed);
    let _unpublished = show();
    after_fork_in_parent();
}
