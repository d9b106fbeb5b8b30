//! Pools that take closures, and threads: `routines::bind` and `routines::thread`.

use std::sync::mpsc;

use futures::executor::block_on;
use routines::{Kind, RoutineBuilder, thread};
use threadpool::ThreadPool;

use crate::cells::{Until, Work, ways};

type Closure = Box<dyn FnOnce() + Send>;

/// The work as a closure with the context it is to have.
fn bound(detach: bool, work: Work) -> Closure {
    if detach {
        Box::new(RoutineBuilder::new(Kind::Job).detached().job(|| block_on(work)))
    } else {
        Box::new(routines::bind(|| block_on(work)))
    }
}

fn pool(detach: bool, until: Until, work: Work) {
    let pool = ThreadPool::new(1);
    let work = bound(detach, work);
    match until {
        Until::Started => drop(work),
        _ => pool.execute(work),
    }
    pool.join();
}

/// A thread and a channel, as many have written it.
fn by_hand(detach: bool, until: Until, work: Work) {
    let (jobs, inbox) = mpsc::channel::<Closure>();
    let worker = std::thread::spawn(move || {
        for job in inbox {
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
        }
    });
    let work = bound(detach, work);
    match until {
        Until::Started => drop(work),
        _ => jobs.send(work).unwrap(),
    }
    drop(jobs);
    worker.join().unwrap();
}

fn crossbeam(detach: bool, until: Until, work: Work) {
    let work = bound(detach, work);
    if until == Until::Started {
        return drop(work);
    }
    crossbeam_utils::thread::scope(|scope| drop(scope.spawn(|_| work()).join())).unwrap();
}

fn std_thread(detach: bool, _: Until, work: Work) {
    let run = || block_on(work);
    drop(if detach { thread::spawn_detached(run) } else { thread::spawn(run) }.join());
}

fn std_builder(detach: bool, _: Until, work: Work) {
    let builder = thread::Builder::new().name("built");
    let builder = if detach { builder.detached() } else { builder };
    drop(builder.spawn(|| block_on(work)).unwrap().join());
}

fn std_scope(detach: bool, _: Until, work: Work) {
    thread::scope(|scope| {
        let builder = thread::Builder::new();
        let builder = if detach { builder.detached() } else { builder };
        drop(builder.spawn_scoped(scope, || block_on(work)).unwrap().join());
    });
}

ways! {
    thread_pool: super::pool, [inherits detaches obeys_policies survives_panics is_dropped_inside_when_it_never_ran leaves_nothing];
    thread_and_channel: super::by_hand, [inherits detaches obeys_policies survives_panics is_dropped_inside_when_it_never_ran leaves_nothing];
    crossbeam_scope: super::crossbeam, [inherits detaches obeys_policies survives_panics is_dropped_inside_when_it_never_ran leaves_nothing];
    threads: super::std_thread, [inherits detaches obeys_policies survives_panics leaves_nothing];
    thread_builder: super::std_builder, [inherits detaches obeys_policies survives_panics leaves_nothing];
    scoped_threads: super::std_scope, [inherits detaches obeys_policies survives_panics leaves_nothing];
}
