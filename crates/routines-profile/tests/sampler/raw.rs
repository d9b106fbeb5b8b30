//! Owns what the tests ask of the system that only `unsafe` can: signals, forks, loaded code, registers.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int, c_void};
use std::mem;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often [`count`] was called.
pub(crate) static COUNTED: AtomicUsize = AtomicUsize::new(0);

pub(crate) extern "C" fn count(_signal: c_int) {
    COUNTED.fetch_add(1, Ordering::Relaxed);
}

/// Handles SIGPROF by [`count`].
pub(crate) fn count_signals() {
    handle(count as extern "C" fn(c_int) as libc::sighandler_t);
}

pub(crate) fn ignore_signals() {
    handle(libc::SIG_IGN);
}

fn handle(handler: libc::sighandler_t) {
    // SAFETY: all zeroes is an action.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: a whole action, whose handler touches an atomic only.
    assert_eq!(unsafe { libc::sigaction(libc::SIGPROF, &action, ptr::null_mut()) }, 0);
}

/// What SIGPROF does now.
#[derive(Debug, PartialEq)]
pub(crate) enum Does {
    Default,
    Ignored,
    Counted,
    Else,
}

pub(crate) fn disposition() -> Does {
    // SAFETY: all zeroes is an action.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: only asks.
    assert_eq!(unsafe { libc::sigaction(libc::SIGPROF, ptr::null(), &mut action) }, 0);
    match action.sa_sigaction {
        libc::SIG_DFL => Does::Default,
        libc::SIG_IGN => Does::Ignored,
        handler if handler == count as extern "C" fn(c_int) as libc::sighandler_t => Does::Counted,
        _ => Does::Else,
    }
}

/// Sends SIGPROF to the process.
pub(crate) fn kill(process: u32) {
    // SAFETY: no memory is involved.
    unsafe { libc::kill(process as libc::pid_t, libc::SIGPROF) };
}

/// Sends SIGPROF to a thread of this process.
pub(crate) fn kill_thread(thread: i32) {
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), thread, libc::SIGPROF) };
}

/// Lets this process have no more timers.
pub(crate) fn forbid_timers() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a whole limit.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &none) }, 0);
}

/// Has the calling thread hold SIGPROF back, or no more.
pub(crate) fn hold_back(how: bool) {
    // SAFETY: all zeroes is a set.
    let mut set: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: a set of this thread's.
    unsafe { libc::sigaddset(&mut set, libc::SIGPROF) };
    let how = if how { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
    // SAFETY: a whole set.
    assert_eq!(unsafe { libc::pthread_sigmask(how, &set, ptr::null_mut()) }, 0);
}

/// Runs `child` in a fork; how that ended: its exit status, or minus the signal.
pub(crate) fn fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child calls what it is given and ends without unwinding; the C library's allocator works in a fork.
    match unsafe { libc::fork() } {
        0 => {
            let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(101);
            // SAFETY: ends the process.
            unsafe { libc::_exit(status) }
        }
        child => {
            assert!(child > 0, "no fork");
            wait(child)
        }
    }
}

fn wait(child: libc::pid_t) -> i32 {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a live local.
        if unsafe { libc::waitpid(child, &mut status, 0) } == child {
            break;
        }
    }
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) }
}

pub(crate) fn set_errno(value: i32) {
    // SAFETY: the calling thread's own, live as long as it runs.
    unsafe { place_of_errno().write(value) };
}

pub(crate) fn errno() -> i32 {
    // SAFETY: the calling thread's own, live as long as it runs.
    unsafe { place_of_errno().read() }
}

fn place_of_errno() -> *mut i32 {
    // SAFETY: it has no preconditions.
    unsafe { libc::__errno_location() }
}

/// Computes `rounds` rounds while the frame pointer holds `value`, as code without frame pointers may.
#[cfg(target_arch = "x86_64")]
pub(crate) fn with_frame_pointer(value: usize, rounds: usize) {
    // SAFETY: the frame pointer is put back, and the stack is not used meanwhile but for signals, below the red zone.
    unsafe {
        std::arch::asm!(
            "push rbp",
            "mov rbp, {value}",
            "2:",
            "dec {rounds}",
            "jnz 2b",
            "pop rbp",
            value = in(reg) value,
            rounds = inout(reg) rounds => _,
        );
    }
}

/// A page that can be read, until it is taken away.
pub(crate) struct Page(*mut c_void);

impl Page {
    /// At that address, if there is room.
    pub(crate) fn map(at: usize) -> Self {
        let at = ptr::without_provenance_mut(at & !4095);
        // SAFETY: a new mapping where nothing is.
        let page = unsafe { libc::mmap(at, 4096, 3, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED);
        Self(page)
    }

    pub(crate) fn address(&self) -> usize {
        self.0 as usize
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nobody holds a reference into.
        unsafe { libc::munmap(self.0, 4096) };
    }
}

/// A loaded shared object of the tests, whose functions take a number and give one.
pub(crate) struct Loaded(*mut c_void);

// SAFETY: a handle of the dynamic linker is the process's.
unsafe impl Sync for Loaded {}

impl Loaded {
    pub(crate) fn open(path: &Path) -> Self {
        let path = CString::new(path.to_str().expect("a path in UTF-8")).expect("a path without a zero");
        // SAFETY: a path; the objects of the tests run nothing when loaded.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null(), "{path:?} does not load");
        Self(handle)
    }

    pub(crate) fn address(&self, name: &CStr) -> usize {
        // SAFETY: an open handle.
        let function = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!function.is_null(), "{name:?} is not there");
        function as usize
    }

    pub(crate) fn call(&self, name: &CStr, number: u64) -> u64 {
        // SAFETY: each function of the tests' objects has this type.
        let function: extern "C" fn(u64) -> u64 = unsafe { mem::transmute(self.address(name)) };
        function(number)
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: open, and no function of it is running.
        unsafe { libc::dlclose(self.0) };
    }
}
