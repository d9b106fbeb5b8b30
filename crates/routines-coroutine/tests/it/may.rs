//! may: a scheduler moves coroutines between threads.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use may::coroutine::{Builder, yield_now};
use may::sync::mpsc;
use routines::{Inherit, Kind, Local, RoutineBuilder, Snapshot};
use routines_coroutine::may as ours;

static USER: Local<String> = Local::new().named("user");
static COUNT: Local<usize> = Local::new();
static SECRET: Local<u32> = Local::new().inherit(Inherit::Never);
static DEPTH: Local<u32> = Local::new().derive(|parent| parent + 1);

fn user() -> Option<String> {
    USER.get()
}

fn as_ada<R>(f: impl FnOnce() -> R) -> R {
    USER.sync_scope("ada".to_owned(), f)
}

#[test]
fn a_coroutine_inherits_and_is_one_routine() {
    let me = routines::id();
    let (seen, id) = as_ada(|| ours::spawn(|| (user(), routines::id()))).join().unwrap();
    assert_eq!(seen.as_deref(), Some("ada"));
    assert!(id != me && !id.is_foreign() && !routines::ids().contains(&id));
    assert_eq!(as_ada(|| ours::spawn_detached(user)).join().unwrap(), None);
}

#[test]
fn policies_are_obeyed() {
    let child = DEPTH.sync_scope(1, || SECRET.sync_scope(2, || ours::spawn(|| (DEPTH.get(), SECRET.get()))));
    assert_eq!(child.join().unwrap(), (Some(2), None));
}

/// Has a coroutine woken by an OS thread, which leaves it to the scheduler where it goes on.
struct Wakes {
    ask: std::sync::mpsc::Sender<mpsc::Sender<()>>,
    own: mpsc::Sender<()>,
    woken: mpsc::Receiver<()>,
}

impl Wakes {
    fn wait(&self) {
        self.ask.send(self.own.clone()).unwrap();
        self.woken.recv().unwrap();
    }

    /// Reads twice around a wait in one function: what a kept thread-local address would spoil.
    #[inline(never)]
    fn across(&self) -> [(usize, routines::RoutineId); 2] {
        let before = (COUNT.get().unwrap(), routines::id());
        self.wait();
        [before, (COUNT.get().unwrap(), routines::id())]
    }
}

#[test]
fn a_coroutine_that_goes_on_on_another_thread_reads_its_own_values() {
    may::config().set_workers(2);
    let moved = Arc::new(AtomicUsize::new(0));
    let (ask, asked) = std::sync::mpsc::channel::<mpsc::Sender<()>>();
    std::thread::spawn(move || asked.iter().for_each(|wake| wake.send(()).unwrap()));
    let coroutines: Vec<_> = (0..64)
        .map(|number| {
            let moved = Arc::clone(&moved);
            let (own, woken) = mpsc::channel();
            let wakes = Wakes { ask: ask.clone(), own, woken };
            COUNT.sync_scope(number, || {
                ours::spawn(move || {
                    let id = routines::id();
                    let mut threads = HashSet::new();
                    for round in 0..200 {
                        threads.insert(std::thread::current().id());
                        assert_eq!(wakes.across(), [(number, id); 2]);
                        USER.sync_scope(format!("{number} {round}"), || {
                            wakes.wait();
                            assert_eq!(user(), Some(format!("{number} {round}")));
                            Snapshot::empty().sync_scope(|| {
                                wakes.wait();
                                assert_eq!((user(), COUNT.get()), (None, None));
                            });
                        });
                        assert_eq!(user(), None);
                    }
                    moved.fetch_add(usize::from(threads.len() > 1), Ordering::Relaxed);
                })
            })
        })
        .collect();
    for coroutine in coroutines {
        coroutine.join().unwrap();
    }
    assert!(moved.load(Ordering::Relaxed) > 0, "no coroutine moved: the test shows nothing");
}

#[test]
fn a_coroutine_nobody_wrapped_reads_nothing_and_its_threads_stay_clean() {
    ours::install();
    let (go, going) = mpsc::channel::<()>();
    let wrapped = as_ada(|| {
        ours::spawn(move || {
            USER.set("eve".to_owned());
            going.recv().unwrap();
            user()
        })
    });
    let bare = may::go!(user);
    assert_eq!(bare.join().unwrap(), None);
    go.send(()).unwrap();
    assert_eq!(wrapped.join().unwrap().as_deref(), Some("eve"));
    assert_eq!(may::go!(user).join().unwrap(), None);
}

#[test]
fn a_panic_ends_the_routine_and_drops_inside_its_context() {
    struct Witness(std::sync::mpsc::Sender<Option<String>>);
    impl Drop for Witness {
        fn drop(&mut self) {
            self.0.send(user()).unwrap();
        }
    }
    let (seen, sees) = std::sync::mpsc::channel();
    let witness = Witness(seen);
    let coroutine = as_ada(|| {
        ours::spawn(move || {
            let _witness = witness;
            yield_now();
            std::panic::resume_unwind(Box::new("on purpose"));
        })
    });
    assert!(coroutine.join().is_err());
    assert_eq!(sees.recv().unwrap().as_deref(), Some("ada"));
}

#[test]
fn values_go_with_the_coroutine_and_a_name_is_shown() {
    static TOKEN: Local<Arc<()>> = Local::new();
    let token = Arc::new(());
    let coroutine = TOKEN.sync_scope(Arc::clone(&token), || {
        let routine = RoutineBuilder::new(Kind::Coroutine).name("worker");
        ours::spawn_with(Builder::new().stack_size(0x4000), routine, || {
            yield_now();
            routines::current().name()
        })
    });
    assert_eq!(coroutine.unwrap().join().unwrap().as_deref(), Some("worker"));
    assert_eq!(Arc::strong_count(&token), 1);
}
