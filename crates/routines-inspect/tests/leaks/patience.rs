//! What is about to end is waited for, and nothing is waited for without an end.

use std::time::Duration;

use routines::thread;
use routines_inspect::leak;
use routines_inspect::leak::LeakCheck;

use crate::support::{check, current_thread, only, until_told};

/// Long enough for any machine; a check that succeeds does not wait for it.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_thread_that_ends_while_the_check_waits_is_no_leak() {
    let check = LeakCheck::new().patience(LONG);
    let (end, wait) = until_told();
    let child = thread::spawn(wait);
    // A thread of nobody's ends it once the check has begun to wait, or a little before: both must pass.
    let ender = std::thread::spawn(move || drop(end));
    check.verify();
    ender.join().unwrap();
    child.join().unwrap();
}

#[test]
fn a_task_that_only_this_thread_can_end_ends_while_the_check_waits() {
    current_thread().block_on(async {
        let check = LeakCheck::new().patience(LONG);
        routines_tokio::spawn(std::future::pending::<()>()).abort();
        // Aborted, and not dropped before the runtime gets the thread.
        assert!(check.try_verify_async().await.is_ok());
    });
}

#[test]
fn a_check_without_patience_looks_once() {
    let check = check();
    let (end, wait) = until_told();
    let child = thread::spawn(wait);
    only(check.try_verify());
    drop(end);
    child.join().unwrap();
    check.verify();
}

#[test]
fn a_leak_that_stays_is_told_when_the_patience_is_over() {
    let check = LeakCheck::new().patience(Duration::from_millis(20));
    let (end, wait) = until_told();
    let child = thread::spawn(wait);
    assert!(check.try_verify().unwrap_err().to_string().contains("after 20ms"));
    current_thread().block_on(async { only(check.try_verify_async().await) });
    drop(end);
    child.join().unwrap();
}

#[test]
fn the_test_of_a_one_line_check_may_end_what_it_started_just_in_time() {
    let (end, wait) = until_told();
    let child = LeakCheck::new().patience(LONG).check(|| {
        let child = thread::spawn(wait);
        drop(end);
        child
    });
    child.join().unwrap();
    current_thread().block_on(LeakCheck::new().patience(LONG).check_async(async {
        routines_tokio::spawn(std::future::pending::<()>()).abort();
    }));
    assert_eq!(leak::check(|| 7), 7);
}
