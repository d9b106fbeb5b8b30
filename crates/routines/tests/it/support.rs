//! What the tests share: polling by hand, blocking on a future, counting drops, watching panics, child processes.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

// ===== running futures =====

pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls a future that is ready at once.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    match poll_once(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future was pending"),
    }
}

struct Parker(Thread);

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Parker(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Runs `f` on a thread of its own that nobody has used, and passes a panic on.
pub(crate) fn elsewhere<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|s| s.spawn(f).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// Is pending once, then ready.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

// ===== drops =====

/// Counts the values it made and those of them that were dropped.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<Counts>);

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

impl Drops {
    pub(crate) fn new() -> Self {
        Drops::default()
    }

    pub(crate) fn value<T>(&self, tag: T) -> Counted<T> {
        self.0.made.fetch_add(1, Ordering::Relaxed);
        Counted { tag, drops: self.clone() }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.dropped.load(Ordering::SeqCst)
    }

    /// How many values are left.
    pub(crate) fn alive(&self) -> isize {
        self.alive_beside(0)
    }

    /// As [`alive`](Self::alive), where `expected` are. A dump by another test holds named values for a moment: that is
    /// waited out.
    pub(crate) fn alive_beside(&self, expected: isize) -> isize {
        let left = || self.0.made.load(Ordering::SeqCst) as isize - self.count() as isize;
        for _ in 0..if cfg!(miri) { 10 } else { 2000 } {
            if left() == expected {
                break;
            }
            std::thread::yield_now();
        }
        left()
    }
}

/// A value whose creation, clones and drop are counted.
pub(crate) struct Counted<T> {
    pub(crate) tag: T,
    drops: Drops,
}

impl<T: Clone> Clone for Counted<T> {
    fn clone(&self) -> Self {
        self.drops.value(self.tag.clone())
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        self.drops.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Counted<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.tag.fmt(f)
    }
}

/// Runs a closure when dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// As [`OnDrop`], of one nameable type, for values of locals.
pub(crate) struct Hook(Box<dyn Fn() + Send + Sync>);

impl Hook {
    pub(crate) fn new(f: impl Fn() + Send + Sync + 'static) -> Self {
        Hook(Box::new(f))
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A list that any thread may add to.
#[derive(Clone)]
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Log<T> {
    pub(crate) fn new() -> Self {
        Log(Arc::default())
    }

    pub(crate) fn add(&self, entry: T) {
        self.0.lock().expect("no test panics while adding").push(entry);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().expect("no test panics while adding").clone()
    }
}

// ===== panics =====

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
    static IN_HOOK: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.try_with(Cell::get).unwrap_or(false) {
                return previous(info);
            }
            let at = info.location().map(|l| (l.file().to_owned(), l.line()));
            LAST.with(|last| *last.borrow_mut() = at);
            if let Some(hook) = IN_HOOK.take() {
                hook();
            }
        }));
    });
}

/// Runs `f` and catches its panic, silently.
pub(crate) fn caught<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    watch_panics();
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(before);
    result
}

/// As [`caught`]; `hook` runs in the panic hook.
pub(crate) fn caught_with_hook<R>(hook: impl Fn() + 'static, f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    IN_HOOK.set(Some(Box::new(hook)));
    caught(f)
}

/// The message of `f`'s panic, and the file and line it is reported at.
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> (String, String, u32) {
    let Err(payload) = caught(f) else { panic!("expected a panic") };
    let (file, line) = LAST.take().expect("the hook ran");
    (message(&*payload), file, line)
}

pub(crate) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

// ===== child processes =====

/// Runs `body` in a process of its own, for what may abort; returns what it wrote to standard error, to the parent alone.
///
/// `test` is the full name of the calling test.
pub(crate) fn in_child(test: &str, body: impl FnOnce()) -> Option<String> {
    const MARK: &str = "ROUTINES_CHILD_TEST";
    if cfg!(miri) || std::env::var(MARK).is_ok_and(|name| name == test) {
        body();
        return None;
    }
    let exe = std::env::current_exe().expect("a test binary knows itself");
    let child = Command::new(exe).args([test, "--exact", "--nocapture"]).env(MARK, test).output();
    let child = child.expect("the test binary can be run again");
    let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && out.contains("1 passed"), "{}\n{out}\n{err}", child.status);
    Some(err.into_owned())
}

/// A flag that is raised once.
#[derive(Clone, Default)]
pub(crate) struct Flag(Arc<AtomicBool>);

impl Flag {
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Whether a type implements a trait, as a value: a table of these shows which row is wrong.
macro_rules! implements {
    ($type:ty: $($bound:tt)+) => {{
        #[allow(dead_code, reason = "the inherent one is used where it applies")]
        trait No {
            const ANSWER: bool = false;
        }
        impl<T: ?Sized> No for T {}
        struct Ask<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "the trait's is used where this one does not apply")]
        impl<T: ?Sized + $($bound)+> Ask<T> {
            const ANSWER: bool = true;
        }
        <Ask<$type>>::ANSWER
    }};
}
pub(crate) use implements;
