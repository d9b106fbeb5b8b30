//! Owns the signal SIGPROF: its disposition, its handler and the timers that send it.
//!
//! Invariants, named where they are used:
//! - **HANDED**: the kernel gives a handler of three arguments a valid `siginfo_t` and context, which nobody else uses while it runs.
//! - **OUT**: an out-parameter is a live local of the type that the call fills in.
//! - **PLAIN**: the type is a C structure of numbers and pointers, for which all zeroes is a value.
//! - **OWN TIMER**: the timer was made by [`Timer::new`] and is deleted only when its owner is dropped, so no call names a dead one.
//! - **ERRNO**: the thread's `errno` is a live `c_int` of this thread.
//!
//! The handler allocates nothing, locks nothing, loops only over bounded ranges, and leaves `errno` as it was. It touches only
//! atomics, its own stack, the current record (through `sys::slot`), and the stack of the interrupted code (through `sys::stack`).

use std::ffi::{c_int, c_void};
use std::io;
use std::mem;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize};
use std::time::{Duration, Instant};

use super::{slot, stack};
use crate::sampler::session::ring;

/// The profile that samples are taken for; 0: none, and the handler does nothing.
static OPEN: AtomicU32 = AtomicU32::new(0);
/// Handlers that may be using the ring.
static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// The process that the open profile belongs to. A fork has the memory and not the timers.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// Which profile a timer belongs to: a signal of another is not counted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Token(u32);

/// The process may have one profile; dropped: the handler does nothing any more, and none is running.
pub(crate) struct Gate {
    process: libc::pid_t,
    /// This is a fork of a process that was being profiled: those who ran a handler then do not exist here.
    pub(crate) inherited: bool,
}

impl Gate {
    /// `None` while this process has one.
    pub(crate) fn open() -> Option<(Self, Token)> {
        static LAST: AtomicU32 = AtomicU32::new(0);
        // SAFETY: it has no preconditions.
        let process = unsafe { libc::getpid() };
        let owner = PROCESS.load(SeqCst);
        if owner == process || PROCESS.compare_exchange(owner, process, SeqCst, SeqCst).is_err() {
            return None;
        }
        let inherited = owner != 0;
        if inherited {
            RUNNING.store(0, SeqCst);
        }
        let token = Token(LAST.fetch_add(1, SeqCst).wrapping_add(1).max(1));
        OPEN.store(token.0, SeqCst);
        Some((Self { process, inherited }, token))
    }

    /// No handler uses the ring after this. False: one still does, because its thread gets no processor.
    pub(crate) fn close(&self) -> bool {
        OPEN.store(0, SeqCst);
        // A handler counts itself before it looks at OPEN: who is not counted now will find it closed.
        let patience = Instant::now() + Duration::from_secs(1);
        while RUNNING.load(SeqCst) != 0 {
            if Instant::now() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        true
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
        let _ = PROCESS.compare_exchange(self.process, 0, SeqCst, SeqCst);
    }
}

/// Our handler in place; dropped: SIGPROF is ignored.
///
/// Ignored also where it had its default action: that is to end the process, and nothing says when the last signal was delivered.
/// To be ignored also takes back what is pending. Other profilers take an ignored signal for a free one.
pub(crate) struct Disposition(());

impl Disposition {
    /// `Ok(None)`: somebody else handles the signal, and still does.
    pub(crate) fn take() -> io::Result<Option<Self>> {
        if !is_free(&exchange(None)?) {
            return Ok(None);
        }
        let before = exchange(Some(&ours()))?;
        if is_free(&before) {
            return Ok(Some(Self(())));
        }
        exchange(Some(&before))?;
        Ok(None)
    }

    /// Whether nobody has replaced it.
    pub(crate) fn is_in_place(&self) -> bool {
        exchange(None).is_ok_and(|now| now.sa_sigaction == handler())
    }
}

impl Drop for Disposition {
    fn drop(&mut self) {
        if self.is_in_place() {
            let _ = exchange(Some(&action(libc::SIG_IGN)));
        }
    }
}

/// Ours is free too: it is what a fork of a profiled process finds.
fn is_free(action: &libc::sigaction) -> bool {
    [libc::SIG_DFL, libc::SIG_IGN, handler()].contains(&action.sa_sigaction)
}

fn handler() -> libc::sighandler_t {
    on_signal as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as libc::sighandler_t
}

/// Interrupted calls go on; small stacks of coroutines are spared where there is a signal stack; nothing interrupts the handler.
fn ours() -> libc::sigaction {
    let mut ours = action(handler());
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: OUT.
    unsafe { libc::sigfillset(&mut ours.sa_mask) };
    ours
}

fn action(handler: libc::sighandler_t) -> libc::sigaction {
    // SAFETY: PLAIN.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action
}

fn exchange(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut old = action(libc::SIG_DFL);
    // SAFETY: OUT, and `new` is a whole action whose handler keeps what the head of this file says.
    let failed = unsafe { libc::sigaction(libc::SIGPROF, new.map_or(std::ptr::null(), |new| new), &mut old) };
    checked(failed).map(|()| old)
}

fn checked(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A timer on the processor time of one thread of this process, which it sends the signal to.
pub(crate) struct Timer {
    id: libc::timer_t,
    thread: i32,
}

impl Timer {
    pub(crate) fn new(thread: i32, token: Token) -> io::Result<Self> {
        // SAFETY: PLAIN.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGPROF;
        event.sigev_notify_thread_id = thread;
        event.sigev_value.sival_ptr = std::ptr::without_provenance_mut(tag(thread, token));
        let mut id: libc::timer_t = std::ptr::null_mut();
        // SAFETY: OUT.
        checked(unsafe { libc::timer_create(clock(thread), &mut event, &mut id) })?;
        Ok(Self { id, thread })
    }

    /// The processor time the thread used in its life.
    pub(crate) fn used(&self) -> io::Result<Duration> {
        let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: OUT.
        checked(unsafe { libc::clock_gettime(clock(self.thread), &mut used) })?;
        Ok(Duration::new(used.tv_sec as u64, used.tv_nsec as u32))
    }

    /// Sends the signal when the thread has used `first` in its life (at once, if it has), and then every `period`.
    pub(crate) fn start(&self, first: Duration, period: Duration) -> io::Result<()> {
        let spec = libc::itimerspec { it_value: timespec(first), it_interval: timespec(period) };
        // SAFETY: OWN TIMER; the former setting is not asked for.
        checked(unsafe { libc::timer_settime(self.id, libc::TIMER_ABSTIME, &spec, std::ptr::null_mut()) })
    }

    /// Whether the thread this was made for still exists; its number may have been given to another.
    pub(crate) fn thread_lives(&self) -> bool {
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let mut left = libc::itimerspec { it_value: zero, it_interval: zero };
        // SAFETY: OWN TIMER and OUT.
        let asked = checked(unsafe { libc::timer_gettime(self.id, &mut left) });
        asked.is_ok() && (left.it_value.tv_sec, left.it_value.tv_nsec) != (0, 0)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: OWN TIMER, and this is its owner's end.
        unsafe { libc::timer_delete(self.id) };
    }
}

/// The processor clock of one thread, as the kernel numbers them.
fn clock(thread: i32) -> libc::clockid_t {
    const PER_THREAD: i32 = 4;
    const SCHEDULED: i32 = 2;
    (!thread << 3) | PER_THREAD | SCHEDULED
}

fn timespec(duration: Duration) -> libc::timespec {
    libc::timespec { tv_sec: duration.as_secs() as libc::time_t, tv_nsec: duration.subsec_nanos().into() }
}

/// What a timer's signal carries: profile and thread, so that the handler need not ask for it.
fn tag(thread: i32, Token(token): Token) -> usize {
    (token as usize) << 32 | thread as u32 as usize
}

/// The beginning of `siginfo_t` for a timer's signal.
#[repr(C)]
struct Expired {
    head: [c_int; 4],
    timer: c_int,
    overrun: c_int,
    tag: usize,
}

extern "C" fn on_signal(_signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: it has no preconditions.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: ERRNO.
    let before = unsafe { errno.read() };
    RUNNING.fetch_add(1, SeqCst);
    // SAFETY: HANDED.
    let info = unsafe { &*info };
    if let Some((thread, expirations)) = expired(info) {
        // SAFETY: HANDED.
        let registers = unsafe { stack::Registers::of(context) };
        sample(thread, expirations, registers);
    }
    RUNNING.fetch_sub(1, SeqCst);
    // SAFETY: ERRNO.
    unsafe { errno.write(before) };
}

/// The thread and how often its timer expired, if the signal is of a timer of the open profile and not anybody's.
fn expired(info: &libc::siginfo_t) -> Option<(i32, u32)> {
    if info.si_code != libc::SI_TIMER {
        return None;
    }
    // SAFETY: HANDED; a signal with this code has this form, and `siginfo_t` is larger.
    let expired = unsafe { &*std::ptr::from_ref(info).cast::<Expired>() };
    let open = OPEN.load(SeqCst);
    let ours = open != 0 && expired.tag >> 32 == open as usize;
    ours.then_some((expired.tag as u32 as i32, 1 + expired.overrun.max(0) as u32))
}

fn sample(thread: i32, expirations: u32, registers: stack::Registers) {
    let Some(mut writing) = ring().and_then(|ring| ring.claim(thread, expirations)) else { return };
    stack::walk(PROCESS.load(SeqCst), registers, |pc| writing.push(pc));
    slot::with_current(|_account, labels| writing.labels(labels));
    writing.publish();
}

/// Whether a stack can be read at all: filters of system calls may forbid it.
pub(crate) fn check_stacks() -> io::Result<()> {
    stack::check(PROCESS.load(SeqCst))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends the calling thread what a timer of the profile would.
    fn forge(token: Token, thread: i32) {
        // SAFETY: PLAIN.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        (info.si_signo, info.si_code) = (libc::SIGPROF, libc::SI_TIMER);
        let expired = std::ptr::from_mut(&mut info).cast::<Expired>();
        // SAFETY: `siginfo_t` begins so, and is larger.
        unsafe { (*expired).tag = tag(thread, token) };
        // SAFETY: it has no preconditions.
        let here = unsafe { libc::gettid() };
        let call = libc::SYS_rt_tgsigqueueinfo;
        // SAFETY: the signal goes to this thread, which handles it; the kernel reads a whole `siginfo_t`.
        let sent = unsafe { libc::syscall(call, std::process::id(), here, libc::SIGPROF, &info) };
        assert_eq!(sent, 0);
    }

    fn nested(levels: usize, then: &mut dyn FnMut()) {
        if levels == 0 {
            then()
        } else {
            nested(levels - 1, std::hint::black_box(then))
        }
        std::hint::black_box(levels);
    }

    /// The processor time of this thread.
    fn now() -> Duration {
        let mut now = timespec(Duration::ZERO);
        // SAFETY: OUT.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) }, 0);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    }

    #[test]
    #[ignore = "prints what a sample costs"]
    fn cost_of_a_sample() {
        const ROUNDS: u32 = 500;
        const REPEATS: u32 = 20;
        crate::sampler::run(Default::default(), Duration::ZERO).expect("a profile, for the ring");
        let ring = crate::sampler::session::ring().expect("the ring");
        let (_gate, token) = Gate::open().expect("no other profile");
        let _disposition = Disposition::take().expect("a handler").expect("no other handler");
        for levels in [0, 10, 60] {
            let (mut depth, mut time) = (0, [Duration::MAX; 2]);
            nested(levels, &mut || {
                for _ in 0..REPEATS {
                    for (time, token) in time.iter_mut().zip([Token(0), token]) {
                        let start = now();
                        (0..ROUNDS).for_each(|_| forge(token, 1));
                        *time = (*time).min((now() - start) / ROUNDS);
                        ring.drain_all(|taken| depth = taken.pcs.len());
                    }
                }
            });
            println!(
                "{depth} addresses: a signal {:?}, with its sample {:?}; {} lost",
                time[0],
                time[1],
                ring.take_lost()
            );
        }
    }
}
