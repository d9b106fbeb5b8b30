//! Spans and subscribers.

use std::sync::{Arc, Mutex, Once};

use routines::companion::Companion;
use routines::{Kind, Local, RoutineBuilder};
use routines_companions::tracing::Tracing;
use tracing::field::{Field, Visit};
use tracing::{Event, Span, Subscriber, info, info_span, subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::support::{RUNTIME, assert_all, in_children, in_detached, later};

static USER: Local<&str> = Local::new();

/// Writes down what happens: `enter`, `exit` and `close` of spans, and events with the span they are in.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|found| *found == line).count()
    }

    fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        Registry::default().with(self.clone())
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        self.0 = format!("{value:?}");
    }
}

fn name<S: Subscriber + for<'a> LookupSpan<'a>>(id: &tracing::span::Id, cx: &Context<'_, S>) -> &'static str {
    cx.metadata(id).unwrap().name()
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let span = cx.event_span(event).map_or("no span", |span| span.name());
        self.add(format!("{} in {span}", message.0));
    }

    fn on_enter(&self, id: &tracing::span::Id, cx: Context<'_, S>) {
        self.add(format!("enter {}", name(id, &cx)));
    }

    fn on_exit(&self, id: &tracing::span::Id, cx: Context<'_, S>) {
        self.add(format!("exit {}", name(id, &cx)));
    }

    fn on_close(&self, id: tracing::span::Id, cx: Context<'_, S>) {
        self.add(format!("close {}", name(&id, &cx)));
    }
}

/// The subscriber of all threads that have none of their own.
fn global() -> Recorder {
    static ONCE: Once = Once::new();
    static GLOBAL: Mutex<Option<Recorder>> = Mutex::new(None);
    routines_companions::install();
    ONCE.call_once(|| {
        let recorder = Recorder::default();
        subscriber::set_global_default(recorder.subscriber()).unwrap();
        *GLOBAL.lock().unwrap() = Some(recorder);
    });
    GLOBAL.lock().unwrap().clone().unwrap()
}

fn current_span() -> Option<&'static str> {
    Span::current().metadata().map(|metadata| metadata.name())
}

#[test]
fn every_child_runs_in_the_span_its_parent_was_in() {
    let recorder = global();
    let seen = info_span!("global").in_scope(|| {
        in_children(|| {
            info!("of a child");
            current_span()
        })
    });
    assert_all(&seen, &Some("global"));
    assert_eq!(recorder.count("of a child in global"), seen.len());
}

#[test]
fn detached_children_run_in_no_span() {
    let recorder = global();
    let seen = info_span!("kept").in_scope(|| {
        in_detached(|| {
            info!("of a detached child");
            current_span()
        })
    });
    assert_all(&seen, &None);
    assert_eq!(recorder.count("of a detached child in no span"), seen.len());
}

#[test]
fn a_subscriber_of_the_parents_thread_is_the_childrens_too() {
    let (global, own) = (global(), Recorder::default());
    let seen = subscriber::with_default(own.subscriber(), || {
        let in_no_span = in_children(|| info!("for one thread"));
        let in_span = info_span!("own").in_scope(|| in_children(|| info!("for one thread")));
        assert_eq!(in_no_span.len(), in_span.len());
        in_span.len()
    });
    let found = [&own, &global]
        .map(|recorder| ["for one thread in no span", "for one thread in own"].map(|line| recorder.count(line)));
    assert_eq!(found, [[seen, seen], [0, 0]]);
}

#[test]
fn the_global_subscriber_is_not_made_a_threads_own() {
    let (global, own) = (global(), Recorder::default());
    let job = info_span!("somewhere").in_scope(|| routines::bind(|| info!("for the thread's own")));
    subscriber::with_default(own.subscriber(), job);
    assert_eq!(own.count("for the thread's own in no span"), 1, "{:?}", own.lines());
    assert!(!global.lines().iter().any(|line| line.starts_with("for the thread's own")));
}

#[test]
fn with_nothing_current_nothing_is_carried() {
    global();
    assert!(Tracing.capture().is_none());
    let recorder = Recorder::default();
    subscriber::with_default(recorder.subscriber(), || assert!(Tracing.capture().is_some()));
    info_span!("carried").in_scope(|| assert!(Tracing.capture().is_some()));
}

#[test]
fn a_span_is_entered_once_per_poll_and_closed_when_the_last_task_in_it_ends() {
    let recorder = Recorder::default();
    let mut task = subscriber::with_default(recorder.subscriber(), || {
        // Two wrappers, one task.
        info_span!("task")
            .in_scope(|| Box::pin(RoutineBuilder::new(Kind::Task).future(USER.scope("ada", later(|| info!("done"))))))
    });
    let lines = recorder.lines();
    assert_eq!(lines, ["enter task", "exit task"]);
    std::thread::spawn(move || {
        let mut waker = std::task::Context::from_waker(std::task::Waker::noop());
        while task.as_mut().poll(&mut waker).is_pending() {}
    })
    .join()
    .unwrap();
    let polls = ["enter task", "exit task", "enter task", "done in task", "exit task", "close task"];
    assert_eq!(recorder.lines()[lines.len()..], polls);
}

#[test]
fn an_aborted_task_is_dropped_in_its_span() {
    struct Logs;
    impl Drop for Logs {
        fn drop(&mut self) {
            info!("cleaning up");
        }
    }
    let recorder = Recorder::default();
    subscriber::with_default(recorder.subscriber(), || {
        let _inside = RUNTIME.enter();
        let task = info_span!("aborted").in_scope(|| {
            let logs = Logs;
            routines_tokio::spawn(async move {
                let _logs = logs;
                std::future::pending::<()>().await;
            })
        });
        task.abort();
        assert!(RUNTIME.block_on(task).unwrap_err().is_cancelled());
    });
    assert_eq!(recorder.count("cleaning up in aborted"), 1, "{:?}", recorder.lines());
}

#[test]
fn a_subscriber_may_start_work() {
    /// Starts a thread at each event.
    struct Starts(Recorder);
    impl<S: Subscriber> Layer<S> for Starts {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            let span = routines::thread::spawn(current_span).join().unwrap();
            self.0.add(format!("{span:?}"));
        }
    }
    global();
    let recorder = Recorder::default();
    subscriber::with_default(Registry::default().with(Starts(recorder.clone())), || {
        info_span!("busy").in_scope(|| info!("start"));
    });
    assert_eq!(recorder.lines(), ["None"]);
}
