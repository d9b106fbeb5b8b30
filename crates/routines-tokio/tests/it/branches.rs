//! `join!` and `select!`: branches are one routine, and what one of them drops is dropped where it belongs.

use std::future::pending;
use std::sync::{Arc, Mutex};

use routines::{Local, RoutineId};
use routines_tokio::task::{JoinSet, yield_now};
use tokio::sync::oneshot;

use crate::support::runtimes;

static KEY: Local<u32> = Local::new();

type Seen = Arc<Mutex<Vec<(Option<u32>, RoutineId)>>>;

/// Says what it sees when it is dropped.
struct Witness(Seen);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.lock().expect("not poisoned").push((KEY.get(), routines::id()));
    }
}

fn seen(seen: &Seen) -> Vec<(Option<u32>, RoutineId)> {
    seen.lock().expect("not poisoned").clone()
}

#[test]
fn branches_of_a_join_share_the_routine_of_their_task_and_its_values() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let task = routines_tokio::spawn(async {
                let id = routines::id();
                let (set, is_set) = oneshot::channel();
                let writer = async {
                    KEY.set(1);
                    yield_now().await;
                    set.send(routines::id()).expect("the other waits");
                };
                let reader = async { (is_set.await.expect("it is sent"), KEY.get(), routines::id()) };
                let ((), (writer, value, reader)) = tokio::join!(writer, reader);
                assert_eq!((writer, reader), (id, id));
                value
            });
            assert_eq!(task.await.expect("no panic"), Some(1), "{name}");
        });
    }
}

#[test]
fn a_scope_in_one_branch_is_not_seen_by_its_siblings_nor_by_the_task_after() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let task = routines_tokio::spawn(KEY.scope(0, async {
                let branch = |n: u32| {
                    KEY.scope(n, async move {
                        for _ in 0..10 {
                            yield_now().await;
                            assert_eq!(KEY.get(), Some(n));
                        }
                    })
                };
                let plain = async {
                    for _ in 0..10 {
                        yield_now().await;
                        assert_eq!(KEY.get(), Some(0));
                    }
                };
                tokio::join!(branch(1), plain, branch(2));
                KEY.get()
            }));
            assert_eq!(task.await.expect("no panic"), Some(0), "{name}");
        });
    }
}

#[test]
fn the_branch_that_loses_a_select_is_dropped_inside_its_scope_and_its_task() {
    for (name, runtime) in runtimes() {
        let witnesses = Seen::default();
        runtime.block_on(async {
            let witness = Witness(Arc::clone(&witnesses));
            let task = routines_tokio::spawn(KEY.scope(1, async {
                let loser = KEY.scope(2, async move {
                    let _witness = witness;
                    pending::<()>().await;
                });
                tokio::select! {
                    biased;
                    () = loser => unreachable!("it never ends"),
                    () = yield_now() => {}
                }
                assert_eq!(KEY.get(), Some(1));
                routines::id()
            }));
            let id = task.await.expect("no panic");
            assert_eq!(seen(&witnesses), [(Some(2), id)], "{name}");
        });
    }
}

#[test]
fn tasks_of_a_set_that_loses_a_select_are_aborted_inside_their_contexts() {
    for (name, runtime) in runtimes() {
        let witnesses = Seen::default();
        runtime.block_on(KEY.scope(1, async {
            let (ended, ends) = oneshot::channel::<()>();
            // Dropped in this order: the witness has spoken when the channel closes.
            let held = (Witness(Arc::clone(&witnesses)), ended);
            let fan_out = async {
                let mut set = JoinSet::new();
                set.spawn(async move {
                    let _held = held;
                    pending::<()>().await;
                });
                while set.join_next().await.is_some() {}
            };
            tokio::select! {
                biased;
                () = KEY.scope(2, fan_out) => unreachable!("it never ends"),
                () = yield_now() => {}
            }
            assert!(ends.await.is_err(), "it was dropped");
        }));
        let seen = seen(&witnesses);
        assert_eq!((seen.len(), seen[0].0), (1, Some(2)), "{name}: the value where it was spawned");
        assert!(!seen[0].1.is_foreign() && seen[0].1 != routines::id(), "{name}: in its own routine");
    }
}

#[test]
fn a_task_whose_handle_loses_a_select_goes_on_with_its_context() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let (go, goes) = oneshot::channel::<()>();
            let (told, tells) = oneshot::channel();
            let task = KEY.sync_scope(1, || {
                routines_tokio::spawn(async {
                    goes.await.expect("it is told to go");
                    told.send(KEY.get()).expect("the test waits");
                })
            });
            tokio::select! {
                biased;
                _ = task => unreachable!("it waits"),
                () = yield_now() => {}
            }
            go.send(()).expect("the task lives");
            assert_eq!(tells.await.expect("it tells"), Some(1), "{name}");
        });
    }
}
