//! Checks that run at once never blame each other.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use routines_inspect::leak;
use routines_inspect::leak::LeakCheck;

use crate::support::{check, current_thread, multi_thread, only, until_told};

/// One side of two tests that run at the same moment.
struct Side(Sender<()>, Receiver<()>);

impl Side {
    /// Waits until the other side is here, too.
    fn meet(&self) {
        let _ = self.0.send(());
        self.1.recv().expect("the other side failed");
    }
}

/// Runs two tests at once; each does its part between two meetings.
fn side_by_side(one: impl FnOnce(Side) + Send, other: impl FnOnce(Side) + Send) {
    let ((to_one, from_other), (to_other, from_one)) = (channel(), channel());
    std::thread::scope(|scope| {
        scope.spawn(|| one(Side(to_other, from_other)));
        scope.spawn(|| other(Side(to_one, from_one)));
    });
}

#[test]
fn two_tests_on_two_threads_find_their_own_leaks_only() {
    let leaks = |both: Side| {
        let check = check();
        let (end, wait) = until_told();
        let child = routines::thread::spawn(move || routines::thread::spawn(wait)).join().unwrap();
        both.meet();
        assert_eq!(only(check.try_verify()).spawned_at.as_deref().map(|at| at.contains("parallel.rs")), Some(true));
        both.meet();
        drop(end);
        child.join().unwrap();
        check.verify();
    };
    let clean = |both: Side| {
        let check = check();
        both.meet();
        assert!(check.try_verify().is_ok());
        both.meet();
    };
    side_by_side(leaks, clean);
    side_by_side(leaks, leaks);
}

#[test]
fn two_tests_that_share_a_runtime_find_their_own_leaks_only() {
    let runtime = multi_thread();
    let leaky = |both: Side| {
        let check = check();
        let entered = runtime.enter();
        let task = routines_tokio::spawn(std::future::pending::<()>());
        drop(entered);
        both.meet();
        assert_eq!(only(check.try_verify()).parent, Some(routines::id()));
        both.meet();
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        check.verify();
    };
    let clean = |both: Side| {
        let check = check();
        runtime.block_on(async { routines_tokio::spawn(async {}).await.unwrap() });
        both.meet();
        check.verify();
        both.meet();
    };
    side_by_side(leaky, clean);
}

#[test]
fn two_tests_that_share_the_global_rayon_pool_find_their_own_leaks_only() {
    let leaky = |both: Side| {
        let check = check();
        let (end, wait) = until_told();
        routines_rayon::spawn(wait);
        both.meet();
        only(check.try_verify());
        both.meet();
        drop(end);
        check.patience(Duration::from_secs(10)).verify();
    };
    let clean = |both: Side| {
        let check = check();
        both.meet();
        check.verify();
        both.meet();
    };
    side_by_side(leaky, clean);
}

#[test]
fn two_branches_of_one_task_find_their_own_leaks_only() {
    current_thread().block_on(async {
        let (both, clean_is_done) = (tokio::sync::Barrier::new(2), tokio::sync::Barrier::new(2));
        let leaky = LeakCheck::new().patience(Duration::from_secs(10)).check_async(async {
            let task = routines_tokio::spawn(std::future::pending::<()>());
            both.wait().await;
            clean_is_done.wait().await;
            task.abort();
        });
        let clean = async {
            leak::check_async(async { both.wait().await }).await;
            clean_is_done.wait().await;
        };
        tokio::join!(leaky, clean);
    });
}

#[test]
fn whole_tests_as_tasks_of_one_runtime_find_their_own_leaks_only() {
    /// Leaks a grandchild, whose parent is gone.
    async fn test(leaks: bool) {
        let child = routines_tokio::spawn(async move {
            if leaks {
                drop(routines_tokio::spawn(std::future::pending::<()>()));
            }
        });
        child.await.unwrap();
    }
    multi_thread().block_on(async {
        // What leaks stays until the runtime is dropped: the tests after it run beside it.
        for leaks in [true, false, true, false] {
            let check = LeakCheck::new().patience(Duration::ZERO);
            let outcome = tokio::spawn(check.check_async(test(leaks))).await;
            assert_eq!(outcome.is_err_and(|failed| failed.is_panic()), leaks);
        }
    });
}
