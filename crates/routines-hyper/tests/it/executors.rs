//! Each way to choose a context keeps the same promises, whatever executor runs the tasks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use hyper::rt::Executor;
use routines::{Inherit, Kind, Local, RoutineId, RoutineInfo, Snapshot};
use routines_hyper::RoutineExecutor;
use tokio::sync::oneshot;

use crate::support::{Lives, Log, OnDrop, Value, runtime};

static KEY: Local<u32> = Local::new();

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Keeps what it is given until the test runs it.
#[derive(Clone, Default)]
struct Later(Arc<Mutex<Vec<Task>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Later {
    fn execute(&self, future: F) {
        self.0.lock().expect("not poisoned").push(Box::pin(future));
    }
}

impl Later {
    fn take(&self) -> Task {
        self.0.lock().expect("not poisoned").pop().expect("a task was executed")
    }
}

/// Polls on a thread of its own.
fn poll(task: &mut Task) -> Poll<()> {
    let polled = || task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    thread::scope(|s| s.spawn(polled).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn info() -> RoutineInfo {
    routines::current().info().expect("the current routine lives")
}

/// Every way, with what a task sees that is executed where the key is 2 if the executor was made where it is 1.
fn ways() -> [(&'static str, RoutineExecutor, Option<u32>); 5] {
    KEY.sync_scope(1, || {
        [
            ("detached", RoutineExecutor::detached(), None),
            ("given", RoutineExecutor::given(Snapshot::capture()), Some(1)),
            ("current", RoutineExecutor::current(), Some(2)),
            ("chosen", RoutineExecutor::chosen(|| Some(Snapshot::capture())), Some(2)),
            ("chosen none", RoutineExecutor::chosen(|| None), None),
        ]
    })
}

#[test]
fn r02_each_way_chooses_the_context_when_execute_is_called() {
    for (name, executor, expected) in ways() {
        let (later, seen) = (Later::default(), Log::new());
        let log = seen.clone();
        let executor = executor.on(later.clone()).clone();
        KEY.sync_scope(2, || {
            executor.execute(async move { log.add(KEY.get()) });
            assert_eq!(KEY.get(), Some(2));
        });
        KEY.sync_scope(3, || assert!(poll(&mut later.take()).is_ready()));
        assert_eq!(seen.all(), [expected], "{name}");
    }
}

#[test]
fn the_default_is_detached() {
    let later = Later::default();
    let executor = RoutineExecutor::default().on(later.clone());
    let (sender, seen) = std::sync::mpsc::channel();
    KEY.sync_scope(1, || executor.execute(async move { sender.send(KEY.get()).expect("the test waits") }));
    assert!(poll(&mut later.take()).is_ready());
    assert_eq!(seen.recv(), Ok(None));
}

#[test]
fn r06_never_values_stay_behind_and_derived_ones_are_made_in_the_code_that_executes() {
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    static SPAN: Local<Option<RoutineId>> = Local::new().derive(|_| routines::try_id());
    for (name, executor, crosses) in ways() {
        let (later, seen) = (Later::default(), Log::new());
        let log = seen.clone();
        let executor = executor.on(later.clone());
        let task = async move { log.add((TX.get(), SPAN.get())) };
        TX.sync_scope(1, || SPAN.sync_scope(None, || executor.execute(task)));
        assert!(poll(&mut later.take()).is_ready());
        let span = (crosses == Some(2)).then(|| Some(routines::id()));
        assert_eq!(seen.all(), [(None, span)], "{name}");
    }
}

#[test]
fn r09_a_task_is_a_child_of_whoever_executes_it_from_there_to_its_end() {
    for (name, executor, _) in ways() {
        let (later, seen) = (Later::default(), Log::new());
        let log = seen.clone();
        let before = routines::ids();
        executor.on(later.clone()).execute(async move {
            log.add(info());
            let mut polls = 0;
            std::future::poll_fn(|_| {
                polls += 1;
                log.add(info());
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        });
        let mut task = later.take();
        assert!(poll(&mut task).is_pending() && poll(&mut task).is_ready());
        let all = seen.all();
        let id = all[0].id;
        assert!(!before.contains(&id), "{name}");
        for info in all {
            let line = info.spawned_at.expect("it is known");
            assert!(line.contains("it/executors.rs"), "{name}: the executor's line, and not {line}");
            assert_eq!((info.id, info.parent, info.kind), (id, Some(routines::id()), Kind::Task), "{name}");
        }
        assert!(!routines::ids().contains(&id), "{name}");
    }
}

#[test]
fn r10_a_panicking_task_leaves_its_thread_clean_and_is_unlisted() {
    for (name, executor, expected) in ways() {
        let (later, seen) = (Later::default(), Log::new());
        let (log, dropped) = (seen.clone(), seen.clone());
        let owned = OnDrop(move || dropped.add((KEY.get(), routines::id())));
        let task = async move {
            let _owned = owned;
            log.add((KEY.get(), routines::id()));
            std::panic::resume_unwind(Box::new("on purpose"));
        };
        KEY.sync_scope(2, || executor.on(later.clone()).execute(task));
        let mut task = later.take();
        let me = routines::id();
        let polled = AssertUnwindSafe(|| task.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        assert!(catch_unwind(polled).is_err());
        assert_eq!((KEY.get(), routines::id()), (None, me), "{name}");
        drop(task);
        let [inside, dropped] = seen.all()[..] else { panic!("{name}: ran and dropped") };
        assert_eq!((inside.0, dropped), (expected, inside), "{name}");
        assert!(!routines::ids().contains(&inside.1), "{name}");
    }
}

#[test]
fn r10_a_panicking_choice_starts_nothing_and_leaves_the_caller_as_it_was() {
    let later = Later::default();
    let executor = RoutineExecutor::chosen(|| std::panic::resume_unwind(Box::new("on purpose"))).on(later.clone());
    KEY.sync_scope(1, || {
        assert!(catch_unwind(AssertUnwindSafe(|| executor.execute(async {}))).is_err());
        assert_eq!(KEY.get(), Some(1));
    });
    assert!(later.0.lock().expect("not poisoned").is_empty());
}

#[test]
fn r11_an_aborted_task_is_dropped_inside_its_context_polled_or_not() {
    for polled in [false, true] {
        for (name, executor, expected) in ways() {
            let (later, seen) = (Later::default(), Log::new());
            let dropped = seen.clone();
            let owned = OnDrop(move || dropped.add((KEY.get(), routines::id())));
            let task = async move {
                let _owned = owned;
                std::future::pending::<()>().await;
            };
            KEY.sync_scope(2, || executor.on(later.clone()).execute(task));
            let mut task = later.take();
            assert!(!polled || poll(&mut task).is_pending());
            thread::scope(|s| s.spawn(|| drop(task)).join()).expect("no panic");
            let [(value, id)] = seen.all()[..] else { panic!("{name}: dropped once") };
            assert_eq!((value, routines::ids().contains(&id)), (expected, false), "{name}");
        }
    }
}

#[test]
fn r11_a_task_leaves_no_value_behind() {
    static HELD: Local<Value> = Local::new().named("held");
    let runtime = runtime();
    for make in
        [RoutineExecutor::detached, RoutineExecutor::current, || RoutineExecutor::chosen(|| Some(Snapshot::capture()))]
    {
        let lives = Lives::default();
        runtime.block_on(async {
            let executor = make();
            let (sender, ran) = oneshot::channel();
            let task = async move { sender.send(HELD.is_bound()).expect("the test waits") };
            HELD.sync_scope(lives.value(1), || executor.execute(task));
            ran.await.expect("it runs");
            assert_eq!(lives.settle(0).await, 0);
        });
    }
    // What was given lives as long as the executor.
    let lives = Lives::default();
    runtime.block_on(async {
        let executor = HELD.sync_scope(lives.value(1), || RoutineExecutor::given(Snapshot::capture()));
        let (sender, ran) = oneshot::channel();
        executor.execute(async move { sender.send(HELD.is_bound()).expect("the test waits") });
        assert_eq!((ran.await, lives.settle(1).await), (Ok(true), 1));
        drop(executor);
        assert_eq!(lives.settle(0).await, 0);
    });
}

#[test]
fn r11_a_shut_down_runtime_drops_its_tasks_inside_their_context() {
    for (name, executor, expected) in ways() {
        let (runtime, seen) = (runtime(), Log::new());
        let dropped = seen.clone();
        let owned = OnDrop(move || dropped.add((KEY.get(), routines::id())));
        runtime.block_on(async {
            let (sender, started) = oneshot::channel();
            let task = async move {
                let _owned = owned;
                sender.send(()).expect("the test waits");
                std::future::pending::<()>().await;
            };
            KEY.sync_scope(2, || executor.execute(task));
            started.await.expect("it starts");
        });
        drop(runtime);
        let [(value, id)] = seen.all()[..] else { panic!("{name}: dropped once") };
        assert_eq!((value, routines::ids().contains(&id)), (expected, false), "{name}");
    }
}

#[test]
fn an_executor_tells_how_it_chooses() {
    static USER: Local<&str> = Local::new().named("user");
    let given = USER.sync_scope("ada", || RoutineExecutor::given(Snapshot::capture()));
    let shown = [given, RoutineExecutor::current(), RoutineExecutor::chosen(|| None)].map(|e| format!("{e:?}"));
    let given = r#"RoutineExecutor { inner: TokioExecutor, start: Snapshot { user: "ada", unnamed: 0 } }"#;
    assert_eq!(shown[0], given);
    assert_eq!(shown[1], r#"RoutineExecutor { inner: TokioExecutor, start: "current" }"#);
    assert_eq!(shown[2], r#"RoutineExecutor { inner: TokioExecutor, start: "chosen" }"#);
}
