//! corosensei: set at resume, restored at yield.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use corosensei::CoroutineResult::{self, Return, Yield};
use corosensei::Yielder;
use routines::{Inherit, Kind, Local, RoutineBuilder, RoutineId, Snapshot};
use routines_coroutine::Coroutine;

static USER: Local<String> = Local::new().named("user");
static COUNT: Local<u64> = Local::new();
static SECRET: Local<u32> = Local::new().inherit(Inherit::Never);
static DEPTH: Local<u32> = Local::new().derive(|parent| parent + 1);

fn yielded<Y, R>(result: CoroutineResult<Y, R>) -> Y {
    match result {
        Yield(value) => value,
        Return(_) => panic!("it returned"),
    }
}

fn user() -> Option<String> {
    USER.get()
}

fn as_ada<R>(f: impl FnOnce() -> R) -> R {
    USER.sync_scope("ada".to_owned(), f)
}

fn is_live(id: RoutineId) -> bool {
    routines::ids().contains(&id)
}

#[test]
fn a_coroutine_inherits_where_it_is_made_and_its_resumer_sees_nothing_of_it() {
    let mut coroutine = as_ada(|| {
        Coroutine::new(|yielder: &Yielder<(), _>, ()| {
            USER.set("eve".to_owned());
            yielder.suspend((user(), routines::id()));
            (user(), routines::id())
        })
    });
    USER.sync_scope("host".to_owned(), || {
        let me = routines::id();
        let (seen, id) = yielded(coroutine.resume(()));
        assert_eq!((seen.as_deref(), id), (Some("eve"), coroutine.routine_id()));
        assert_eq!((user().as_deref(), routines::id()), (Some("host"), me));
        match coroutine.resume(()) {
            Return((seen, again)) => assert_eq!((seen.as_deref(), again), (Some("eve"), id)),
            Yield(_) => panic!("it yielded"),
        }
        assert!(coroutine.done() && !is_live(id));
    });
}

#[test]
fn policies_and_detaching_are_obeyed() {
    let (mut child, mut detached) = DEPTH.sync_scope(1, || {
        SECRET.sync_scope(2, || {
            as_ada(|| {
                let see = |_: &Yielder<(), ()>, ()| (user(), DEPTH.get(), SECRET.get());
                (Coroutine::new(see), Coroutine::detached(see))
            })
        })
    });
    assert_eq!(child.resume(()).as_return().unwrap(), (Some("ada".to_owned()), Some(2), None));
    assert_eq!(detached.resume(()).as_return().unwrap(), (None, None, None));
}

#[test]
fn a_scope_and_what_is_set_in_it_survive_yields_and_end_where_they_end() {
    let mut coroutine = as_ada(|| {
        Coroutine::new(|yielder: &Yielder<(), _>, ()| {
            COUNT.sync_scope(1, || {
                USER.set("set in the scope".to_owned());
                yielder.suspend((user(), COUNT.get()));
                Snapshot::empty().sync_scope(|| {
                    yielder.suspend((user(), COUNT.get()));
                });
                yielder.suspend((user(), COUNT.get()));
            });
            yielder.suspend((user(), COUNT.get()));
        })
    });
    let mut step = || yielded(coroutine.resume(()));
    assert_eq!(step(), (Some("set in the scope".to_owned()), Some(1)));
    COUNT.sync_scope(9, || assert_eq!(step(), (None, None)));
    assert_eq!(step(), (Some("set in the scope".to_owned()), Some(1)));
    assert_eq!(step(), (Some("ada".to_owned()), None));
    assert_eq!((user(), COUNT.get()), (None, None));
}

#[test]
fn interleaved_coroutines_keep_apart_at_any_depth() {
    let coroutine = |name: &'static str| {
        Coroutine::new(move |yielder: &Yielder<(), _>, ()| {
            fn down(depth: u64, name: &str, yielder: &Yielder<(), (Option<String>, Option<u64>)>) {
                COUNT.sync_scope(depth, || {
                    USER.sync_scope(format!("{name}{depth}"), || {
                        yielder.suspend((USER.get(), COUNT.get()));
                        if depth < 20 {
                            down(depth + 1, name, yielder);
                        }
                        yielder.suspend((USER.get(), COUNT.get()));
                    });
                });
            }
            down(0, name, yielder);
        })
    };
    let (mut a, mut b) = (coroutine("a"), coroutine("b"));
    let way = (0..=20).chain((0..=20).rev());
    for depth in way {
        for (coroutine, name) in [(&mut a, "a"), (&mut b, "b")] {
            assert_eq!(yielded(coroutine.resume(())), (Some(format!("{name}{depth}")), Some(depth)));
        }
    }
    assert_eq!((user(), COUNT.get()), (None, None));
}

#[test]
fn a_coroutine_resumed_from_a_coroutine_returns_to_it() {
    let outcome = as_ada(|| {
        Coroutine::new(|_: &Yielder<(), ()>, ()| {
            let mut inner = USER.sync_scope("inner".to_owned(), || {
                Coroutine::new(|yielder: &Yielder<(), _>, ()| {
                    yielder.suspend(user());
                })
            });
            (yielded(inner.resume(())), user())
        })
        .resume(())
        .as_return()
        .unwrap()
    });
    assert_eq!(outcome, (Some("inner".to_owned()), Some("ada".to_owned())));
}

#[test]
fn guards_belong_to_the_stack_they_were_entered_on() {
    let mut coroutine = Coroutine::new(|yielder: &Yielder<(), _>, ()| {
        let guard = as_ada(Snapshot::capture).enter();
        yielder.suspend(user());
        drop(guard);
        yielder.suspend(user());
    });
    let outer = USER.sync_scope("outer".to_owned(), Snapshot::capture).enter();
    assert_eq!(yielded(coroutine.resume(())).as_deref(), Some("ada"));
    assert_eq!(user().as_deref(), Some("outer"));
    drop(outer);
    assert_eq!(user(), None);
    assert_eq!(yielded(coroutine.resume(())), None);
}

type Seen = Rc<RefCell<Vec<Option<String>>>>;

struct Witness(Seen);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.borrow_mut().push(user());
    }
}

#[test]
fn a_coroutine_dropped_unfinished_or_never_started_or_unwound_drops_inside_its_context() {
    let seen = Seen::default();
    let make = || {
        let witness = Witness(Rc::clone(&seen));
        as_ada(|| {
            Coroutine::new(move |yielder: &Yielder<(), ()>, ()| {
                let _witness = witness;
                USER.sync_scope("scope".to_owned(), || yielder.suspend(()));
            })
        })
    };
    let mut started = make();
    yielded(started.resume(()));
    let ids = [started.routine_id()];
    USER.sync_scope("host".to_owned(), || drop(started));
    drop(make());
    let mut unwound = make();
    yielded(unwound.resume(()));
    unwound.force_unwind();
    assert!(unwound.done());
    assert_eq!(*seen.borrow(), vec![Some("ada".to_owned()); 3]);
    assert!(!ids.into_iter().any(is_live) && !is_live(unwound.routine_id()));
}

#[test]
fn a_panic_leaves_the_resumer_as_it_was_and_ends_the_routine() {
    let mut coroutine = as_ada(|| {
        Coroutine::new(|_: &Yielder<(), ()>, ()| {
            USER.sync_scope("inner".to_owned(), || resume_unwind(Box::new("on purpose")))
        })
    });
    USER.sync_scope("host".to_owned(), || {
        let panicked = catch_unwind(AssertUnwindSafe(|| _ = coroutine.resume(())));
        assert!(panicked.is_err());
        assert_eq!(user().as_deref(), Some("host"));
    });
    assert!(coroutine.done() && !is_live(coroutine.routine_id()));
    let again = catch_unwind(AssertUnwindSafe(|| _ = coroutine.resume(()))).unwrap_err();
    assert!(again.downcast_ref::<&str>().is_some_and(|text| text.contains("had returned")));
}

#[test]
fn values_go_with_the_coroutine() {
    static TOKEN: Local<Arc<()>> = Local::new();
    let token = Arc::new(());
    let mut coroutine = TOKEN.sync_scope(Arc::clone(&token), || {
        Coroutine::new(|yielder: &Yielder<(), ()>, ()| {
            let own = TOKEN.get().unwrap();
            TOKEN.sync_scope(own, || yielder.suspend(()));
        })
    });
    yielded(coroutine.resume(()));
    assert!(Arc::strong_count(&token) > 1);
    drop(coroutine);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn it_is_listed_as_a_coroutine_with_its_maker_and_its_name() {
    let mut coroutine = Coroutine::of(
        corosensei::Coroutine::new(|yielder: &Yielder<(), _>, ()| yielder.suspend(routines::current().name())),
        RoutineBuilder::new(Kind::Coroutine).name("generator"),
    );
    let info = |id| routines::all().into_iter().find(|info| info.id == id).unwrap();
    assert_eq!(yielded(coroutine.resume(())).as_deref(), Some("generator"));
    let info = info(coroutine.routine_id());
    assert_eq!((info.kind, info.parent, info.state), (Kind::Coroutine, Some(routines::id()), routines::State::Idle));
}
