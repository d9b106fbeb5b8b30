//! Labels: what a profiler is shown is at every moment what the running routine's labelled keys read. One binary, for the one
//! reader of a process.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;
use routines::label::{self, Labels, Reader, Record};
use routines::{Bindings, FutureExt, Inherit, Local, Snapshot};

static TENANT: Local<String> = Local::new().named("tenant").labelled();
static ROUTE: Local<&str> = Local::new().named("route").labelled();
static SHARD: Local<u64> = Local::new().named("shard").labelled().derive(|parent| parent + 1);
static TOKEN: Local<String> = Local::new().named("token").labelled().redacted();
static PLAIN: Local<String> = Local::new().named("plain");
static UNNAMED: Local<u64> = Local::new();
static PRIVATE: Local<u64> = Local::new().named("private").labelled().inherit(Inherit::Never);

thread_local!(static SHOWN: RefCell<String> = const { RefCell::new(String::new()) });
static BUILT: AtomicUsize = AtomicUsize::new(0);

fn record(labels: &Labels<'_>) -> Record {
    BUILT.fetch_add(1, Ordering::Relaxed);
    let mut all = Vec::new();
    labels.for_each(|name, value| all.push(format!("{name}={value}")));
    all.sort();
    let words: Vec<u64> = all.join(" ").chars().map(u64::from).collect();
    Record::from(&words[..])
}

fn switch(record: Option<&Record>) {
    let text = record.into_iter().flat_map(|r| r.iter()).filter_map(|word| char::from_u32(*word as u32)).collect();
    // At a thread's end there may be nowhere to write.
    let _ = SHOWN.try_with(|shown| *shown.borrow_mut() = text);
}

fn shown() -> String {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| assert!(label::install(Reader { record, switch })));
    SHOWN.with_borrow(String::clone)
}

/// What the labelled keys read here.
fn read() -> String {
    let mut all = Vec::new();
    all.extend(ROUTE.get().map(|v| format!("route={v}")));
    all.extend(SHARD.get().map(|v| format!("shard={v}")));
    all.extend(TENANT.get().map(|v| format!("tenant={v}")));
    all.extend(TOKEN.get().map(|_| "token=[redacted]".to_owned()));
    all.join(" ")
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_scope_shows_its_labels_and_puts_back_what_was_shown() {
    assert_eq!(shown(), "");
    TENANT.sync_scope("acme".into(), || {
        assert_eq!(shown(), "tenant=acme");
        ROUTE.sync_scope("/cart", || assert_eq!(shown(), "route=/cart tenant=acme"));
        assert_eq!(shown(), "tenant=acme");
        TENANT.set("globex".into());
        assert_eq!(shown(), "tenant=globex");
        TENANT.remove();
        assert_eq!(shown(), "");
    });
    assert_eq!(shown(), "");
}

#[test]
fn a_redacted_label_shows_that_it_is_there() {
    shown();
    TOKEN.sync_scope("hunter2".into(), || assert_eq!(shown(), "token=[redacted]"));
}

#[test]
fn keys_that_do_not_cross_or_are_not_labelled_are_no_labels() {
    shown();
    PRIVATE.sync_scope(1, || PLAIN.sync_scope("p".into(), || UNNAMED.sync_scope(2, || assert_eq!(shown(), ""))));
}

#[test]
fn branches_of_one_routine_show_their_own_labels_at_each_poll() {
    shown();
    let branch = |name: &'static str| {
        ROUTE.scope(name, async move {
            for _ in 0..3 {
                assert_eq!(shown(), format!("route={name}"));
                let mut first = true;
                std::future::poll_fn(|_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) })
                    .await;
            }
        })
    };
    let (mut a, mut b) = (pin!(branch("/a")), pin!(branch("/b")));
    let mut built = None;
    for _ in 0..3 {
        assert!(poll(a.as_mut()).is_pending());
        assert_eq!(shown(), "");
        assert!(poll(b.as_mut()).is_pending());
        built = built.or(Some(BUILT.load(Ordering::Relaxed)));
    }
    assert!(poll(a).is_ready() && poll(b).is_ready());
    assert_eq!(shown(), "");
}

#[test]
fn a_label_is_built_once_and_not_at_each_poll() {
    shown();
    static COUNTED: AtomicUsize = AtomicUsize::new(0);
    let before = BUILT.load(Ordering::Relaxed);
    let mut future = pin!(std::future::poll_fn(|_| -> Poll<()> { Poll::Pending }).inherit());
    TENANT.sync_scope("busy".into(), || (0..1_000).for_each(|_| assert!(poll(future.as_mut()).is_pending())));
    COUNTED.store(BUILT.load(Ordering::Relaxed) - before, Ordering::Relaxed);
    // Other tests build some at the same time; a thousand polls would be seen.
    assert!(COUNTED.load(Ordering::Relaxed) < 900);
}

#[test]
fn a_child_thread_shows_what_it_inherits_and_nothing_once_it_is_detached() {
    shown();
    TENANT.sync_scope("acme".into(), || {
        SHARD.sync_scope(1, || {
            let child = routines::thread::spawn(|| (shown(), read()));
            assert_eq!(child.join().unwrap(), ("shard=2 tenant=acme".into(), "shard=2 tenant=acme".into()));
            assert_eq!(std::thread::spawn(shown).join().unwrap(), "");
        });
    });
}

#[test]
fn a_panic_leaves_the_outer_labels() {
    shown();
    ROUTE.sync_scope("/outer", || {
        let caught =
            std::panic::catch_unwind(|| ROUTE.sync_scope("/inner", || std::panic::resume_unwind(Box::new(()))));
        assert!(caught.is_err());
        assert_eq!(shown(), "route=/outer");
    });
}

#[test]
fn cleared_labels_are_not_shown_any_more() {
    shown();
    static REGION: Local<&str> = Local::new().named("region").labelled();
    REGION.sync_scope("eu", || {
        ROUTE.sync_scope("/r", || {
            assert_eq!(shown(), "region=eu route=/r");
            REGION.clear();
            assert_eq!(shown(), "route=/r");
            REGION.set("us");
            assert_eq!(shown(), "region=us route=/r");
        });
    });
    assert_eq!(shown(), "");
}

#[test]
fn a_value_that_is_cleared_elsewhere_is_gone_when_the_routine_next_runs() {
    shown();
    static ZONE: Local<&str> = Local::new().named("zone").labelled();
    let mut future = pin!(ZONE.scope("a", std::future::poll_fn(|_| Poll::<()>::Pending)));
    assert!(poll(future.as_mut()).is_pending());
    ZONE.clear();
    ROUTE.sync_scope("/z", || {
        let mut inner = pin!(ROUTE.scope("/in", async { shown() }));
        assert_eq!(poll(inner.as_mut()), Poll::Ready("route=/in".into()));
    });
    assert!(poll(future.as_mut()).is_pending());
}

/// Wakes nobody; its drop reads what is shown.
struct Reads(Arc<std::sync::Mutex<Option<String>>>);

impl Drop for Reads {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = Some(shown());
    }
}

impl Wake for Reads {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_dropped_future_runs_its_destructors_under_its_labels() {
    shown();
    let seen = Arc::default();
    let reads = Reads(Arc::clone(&seen));
    let future = TENANT.scope("gone".into(), async move { drop(reads) });
    drop(future);
    assert_eq!(seen.lock().unwrap().take(), Some("tenant=gone".into()));
}

#[derive(Debug, Clone)]
enum Op {
    Tenant(u8),
    Route(bool),
    Shard(u64),
    Remove(u8),
    Plain(u8),
    Unnamed(u64),
    Take,
    Restore,
    Flush,
    Scope(u8, Vec<Op>),
    Bindings(Vec<Op>),
    Enter(Vec<Op>),
    Future(Vec<Op>),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let leaf = prop_oneof![
        any::<u8>().prop_map(Op::Tenant),
        any::<bool>().prop_map(Op::Route),
        any::<u64>().prop_map(Op::Shard),
        (0..3u8).prop_map(Op::Remove),
        any::<u8>().prop_map(Op::Plain),
        any::<u64>().prop_map(Op::Unnamed),
        Just(Op::Take),
        Just(Op::Restore),
        Just(Op::Flush),
    ];
    let op = leaf.prop_recursive(3, 40, 6, |op| {
        let ops = prop::collection::vec(op, 0..6);
        prop_oneof![
            (any::<u8>(), ops.clone()).prop_map(|(value, ops)| Op::Scope(value, ops)),
            ops.clone().prop_map(Op::Bindings),
            ops.clone().prop_map(Op::Enter),
            ops.prop_map(Op::Future),
        ]
    });
    prop::collection::vec(op, 0..12)
}

fn run(ops: &[Op], taken: &mut Snapshot) {
    for op in ops {
        match op {
            Op::Tenant(value) => drop(TENANT.set(value.to_string())),
            Op::Route(value) => drop(ROUTE.set(if *value { "/a" } else { "/b" })),
            Op::Shard(value) => drop(SHARD.set(*value / 2)),
            Op::Remove(0) => drop(TENANT.remove()),
            Op::Remove(1) => drop(ROUTE.remove()),
            Op::Remove(_) => drop(SHARD.remove()),
            Op::Plain(value) => drop(PLAIN.set(value.to_string())),
            Op::Unnamed(value) => drop(UNNAMED.set(*value)),
            Op::Take => *taken = Snapshot::capture(),
            Op::Restore => taken.restore(),
            Op::Flush => routines::flush(),
            Op::Scope(value, ops) => TENANT.sync_scope(value.to_string(), || run(ops, taken)),
            Op::Bindings(ops) => Bindings::new().with(&ROUTE, "/c").with(&SHARD, 3).sync_scope(|| run(ops, taken)),
            Op::Enter(ops) => {
                let _guard = taken.enter();
                run(ops, &mut taken.clone());
            }
            Op::Future(ops) => {
                let future = async { run(ops, &mut Snapshot::capture()) }.inherit();
                assert!(poll(pin!(future)).is_ready());
            }
        }
        assert_eq!(shown(), read(), "after {op:?}");
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_at_every_moment_what_is_read(ops in ops()) {
        shown();
        routines::thread::Builder::new().spawn(move || {
            run(&ops, &mut Snapshot::empty());
            routines::flush();
            assert_eq!(shown(), "");
        }).unwrap().join().unwrap();
    }
}
