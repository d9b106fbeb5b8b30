//! rayon: every way it starts work, on its own threads and on stolen ones.
#![allow(missing_docs, reason = "a test's name is its sentence")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use routines::{Inherit, Local, RoutineId};
use routines_rayon::{ParallelIteratorExt, ThreadPoolExt};

static USER: Local<String> = Local::new().named("user");
static SECRET: Local<u32> = Local::new().inherit(Inherit::Never);
static DEPTH: Local<u32> = Local::new().derive(|parent| parent + 1);
static TOKEN: Local<Arc<()>> = Local::new();

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn user() -> Option<String> {
    USER.get()
}

fn as_ada<R>(f: impl FnOnce() -> R) -> R {
    USER.sync_scope("ada".to_owned(), f)
}

type Work = Box<dyn FnOnce() + Send>;

/// Every way to start one piece of work, which waits for it; whether to detach it.
macro_rules! ways {
    ($($name:ident: $way:expr;)*) => {$(
        mod $name {
            use super::*;

            fn way(detach: bool, work: Work) {
                let way: fn(bool, Work) = $way;
                way(detach, work);
            }

            #[test]
            fn inherits() {
                super::inherits(way);
            }
            #[test]
            fn detaches() {
                super::detaches(way);
            }
            #[test]
            fn obeys_policies() {
                super::obeys_policies(way);
            }
            #[test]
            fn survives_panics() {
                super::survives_panics(way);
            }
            #[test]
            fn leaves_nothing() {
                super::leaves_nothing(way);
            }
        }
    )*};
}

fn seen<R: Send + 'static>(way: impl FnOnce(Work), see: impl FnOnce() -> R + Send + 'static) -> R {
    let (tell, told) = channel();
    way(Box::new(move || tell.send(see()).unwrap()));
    told.recv().unwrap()
}

fn inherits(way: fn(bool, Work)) {
    let me = routines::id();
    let (user, id) = as_ada(|| seen(|work| way(false, work), || (user(), routines::id())));
    assert_eq!(user.as_deref(), Some("ada"));
    assert_ne!(id, me, "on a thread of the pool it is a routine of its own");
}

fn detaches(way: fn(bool, Work)) {
    assert_eq!(as_ada(|| seen(|work| way(true, work), user)), None);
}

fn obeys_policies(way: fn(bool, Work)) {
    let seen =
        DEPTH.sync_scope(1, || SECRET.sync_scope(2, || seen(|work| way(false, work), || (DEPTH.get(), SECRET.get()))));
    // Derived once at each hop: to the pool, into a scope, to the job.
    assert!(matches!(seen, (Some(2..=4), None)), "{seen:?}");
}

/// Says what is read when a job is dropped, or unwound.
struct Witness(Sender<Option<String>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.send(user()).unwrap();
    }
}

fn survives_panics(way: fn(bool, Work)) {
    let (tell, told) = channel();
    let witness = Witness(tell);
    let work = Box::new(move || {
        let _witness = witness;
        resume_unwind(Box::new("on purpose"));
    });
    let outcome = catch_unwind(AssertUnwindSafe(|| as_ada(|| way(false, work))));
    assert_eq!(told.recv().unwrap().as_deref(), Some("ada"));
    drop(outcome);
    assert_eq!(user(), None);
    assert_eq!(seen(|work| way(true, work), user), None, "no thread was left dirty");
}

fn leaves_nothing(way: fn(bool, Work)) {
    let token = Arc::new(());
    let id = TOKEN.sync_scope(Arc::clone(&token), || {
        seen(
            |work| way(false, work),
            || {
                TOKEN.set(TOKEN.get().unwrap());
                routines::id()
            },
        )
    });
    gone(id);
    for _ in 0..10_000_000 {
        if Arc::strong_count(&token) == 1 {
            return;
        }
        std::thread::yield_now();
    }
    panic!("a value is held");
}

fn gone(id: RoutineId) {
    for _ in 0..10_000_000 {
        if !routines::ids().contains(&id) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("routine {id} is still listed");
}

/// A pool whose jobs may panic without an abort.
fn forgiving() -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(2).panic_handler(|_| ()).build().unwrap()
}

fn nested(detach: bool, work: Work) -> impl FnOnce() + Send {
    // Detached work has no form of `join` or `install`: it is spawned.
    move || if detach { routines_rayon::scope(|scope| scope.spawn_detached(|_| work())) } else { work() }
}

ways! {
    join_branch_a: |detach, work| _ = pool(2).join_inherited(nested(detach, work), || ());
    join_branch_b: |detach, work| _ = pool(2).join_inherited(|| (), nested(detach, work));
    install: |detach, work| pool(1).install_inherited(nested(detach, work));
    scope_spawn: |detach, work| pool(1).install_inherited(|| routines_rayon::scope(|scope| {
        if detach { scope.spawn_detached(|_| work()) } else { scope.spawn(|_| work()) }
    }));
    scope_fifo_spawn: |detach, work| pool(1).install_inherited(|| routines_rayon::scope_fifo(|scope| {
        if detach { scope.spawn_fifo_detached(|_| work()) } else { scope.spawn_fifo(|_| work()) }
    }));
    in_place_scope_spawn: |detach, work| routines_rayon::in_place_scope(|scope| {
        if detach { scope.spawn_detached(|_| work()) } else { scope.spawn(|_| work()) }
    });
    pool_spawn: |detach, work| {
        let pool = forgiving();
        if detach { pool.spawn_detached(work) } else { pool.spawn_inherited(work) }
    };
    spawn_on_a_pool: |detach, work| forgiving().install_inherited(|| {
        if detach { routines_rayon::spawn_detached(work) } else { routines_rayon::spawn(work) }
    });
    spawn_fifo_on_a_pool: |detach, work| forgiving().install_inherited(|| {
        if detach { routines_rayon::spawn_fifo_detached(work) } else { routines_rayon::spawn_fifo(work) }
    });
}

#[test]
fn a_pool_started_by_a_request_keeps_nothing_of_it() {
    let token = Arc::new(());
    let pool = as_ada(|| {
        TOKEN.sync_scope(Arc::clone(&token), || {
            let pool = pool(2);
            assert_eq!(pool.install_inherited(user).as_deref(), Some("ada"));
            pool
        })
    });
    assert_eq!(pool.broadcast(|_| (user(), TOKEN.get())), [(None, None), (None, None)]);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn the_global_pool_started_by_a_request_keeps_nothing_of_it() {
    assert_eq!(as_ada(|| routines_rayon::join(user, user)), (Some("ada".to_owned()), Some("ada".to_owned())));
    assert!(rayon::broadcast(|_| user()).iter().all(Option::is_none));
}

/// One thread, which waits inside one request's join and meanwhile runs another request's job on the same stack.
#[test]
fn a_job_stolen_while_another_waits_runs_in_its_own_context() {
    let pool = pool(2);
    let both_wait = Arc::new(Barrier::new(2));
    let log = Arc::new(std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for name in ["ada", "bob", "cyd", "dan"] {
            let (pool, log, both_wait) = (&pool, Arc::clone(&log), Arc::clone(&both_wait));
            threads.spawn(move || {
                USER.sync_scope(name.to_owned(), || {
                    pool.install_inherited(|| {
                        let _keep = &both_wait;
                        down(name, 8, &log);
                        assert_eq!(user().as_deref(), Some(name));
                    });
                });
            });
        }
    });
    assert_eq!(log.lock().unwrap().len(), 4 * 256);
    assert!(log.lock().unwrap().iter().all(|(wanted, seen)| seen.as_deref() == Some(*wanted)));

    fn down(name: &'static str, depth: u32, log: &std::sync::Mutex<Vec<(&'static str, Option<String>)>>) {
        if depth == 0 {
            log.lock().unwrap().push((name, user()));
            return;
        }
        routines_rayon::join(|| down(name, depth - 1, log), || down(name, depth - 1, log));
        assert_eq!(user().as_deref(), Some(name), "after the join");
    }
}

#[test]
fn a_branch_that_stays_is_its_callers_routine_and_one_that_is_stolen_a_child_of_it() {
    let pool = pool(2);
    pool.install_inherited(|| {
        let me = routines::id();
        for _ in 0..1_000 {
            let parent = || routines::current().info().and_then(|info| info.parent);
            let (a, b) = routines_rayon::join(routines::id, || (routines::id(), parent()));
            assert_eq!(a, me);
            assert!(b.0 == me || b.1 == Some(me), "{b:?} of {me}");
        }
    });
}

#[test]
fn every_item_of_an_iterator_is_met_in_the_context_and_in_order() {
    let pool = pool(2);
    let (sum, order, seen) = as_ada(|| {
        pool.install_inherited(|| {
            let right = AtomicU64::new(0);
            (0..10_000_u64).into_par_iter().inherit().for_each(|_| {
                right.fetch_add(u64::from(user().as_deref() == Some("ada")), Ordering::Relaxed);
            });
            let order: Vec<usize> = (0..1_000_usize).into_par_iter().enumerate().inherit().map(|(at, _)| at).collect();
            let sum: u64 =
                (0..1_000_u64).into_par_iter().inherit().filter(|_| user().is_some()).map(|item| item * 2).sum();
            (sum, order, right.into_inner())
        })
    });
    assert_eq!((sum, seen), (999_000, 10_000));
    assert!(order.iter().copied().eq(0..1_000));
    assert!(pool.broadcast(|_| user()).iter().all(Option::is_none));
}

#[test]
fn without_it_the_items_of_a_thread_outside_the_pool_are_met_without_a_context() {
    let pool = pool(2);
    let seen: Vec<_> = as_ada(|| pool.install(|| (0..100).into_par_iter().map(|_| user()).collect()));
    assert!(seen.iter().all(Option::is_none));
}

#[test]
fn a_panic_in_an_iterator_leaves_every_thread_clean() {
    let pool = pool(2);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        as_ada(|| {
            pool.install_inherited(|| {
                (0..100).into_par_iter().inherit().for_each(|item| {
                    if item == 57 {
                        resume_unwind(Box::new("on purpose"))
                    }
                });
            });
        });
    }));
    assert!(outcome.is_err());
    assert!(pool.broadcast(|_| user()).iter().all(Option::is_none));
    assert_eq!(user(), None);
}

#[test]
fn a_broadcast_runs_everywhere_in_the_callers_context() {
    let pool = pool(2);
    let seen = as_ada(|| pool.install_inherited(|| routines_rayon::broadcast(|_| user())));
    assert_eq!(seen, vec![Some("ada".to_owned()); 2]);
}
