//! Who belongs to a test: every generation, detached work by its parents, nothing from before.

use routines::{Local, Snapshot, thread};

use crate::support::{check, only, until_told};

#[test]
fn a_grandchild_is_found_after_its_parent_has_ended() {
    let check = check();
    let (end, wait) = until_told();
    let grandchild = thread::spawn(move || thread::spawn(wait)).join().unwrap();
    let found = only(check.try_verify());
    assert!(!routines::ids().contains(&found.parent.unwrap()));
    drop(end);
    grandchild.join().unwrap();
    check.verify();
}

#[test]
fn a_detached_child_is_found_by_its_parent() {
    let check = check();
    let (end, wait) = until_told();
    let child = thread::spawn_detached(wait);
    only(check.try_verify());
    drop(end);
    child.join().unwrap();
    check.verify();
}

#[test]
fn a_detached_grandchild_is_found_as_long_as_its_parent_lives() {
    let check = check();
    let (end, wait) = until_told();
    let (end_parent, wait_parent) = until_told();
    let (sender, grandchild) = std::sync::mpsc::channel();
    let parent = thread::spawn_detached(move || {
        sender.send(thread::spawn_detached(wait)).unwrap();
        wait_parent();
    });
    let grandchild = grandchild.recv().unwrap();
    assert_eq!(check.try_verify().unwrap_err().routines().len(), 2);
    drop(end_parent);
    parent.join().unwrap();
    assert!(check.try_verify().is_ok());
    drop(end);
    grandchild.join().unwrap();
}

#[test]
fn what_was_there_before_is_not_blamed_nor_what_it_starts_later() {
    let (end, wait) = until_told();
    let (start, wait_start) = until_told();
    let (sender, second) = std::sync::mpsc::channel();
    let service = thread::spawn_detached(move || {
        wait_start();
        let (end, wait) = until_told();
        sender.send((end, thread::spawn(wait))).unwrap();
    });
    let earlier = thread::spawn(wait);
    let check = check();
    drop(start);
    let (end_second, second) = second.recv().unwrap();
    assert!(check.try_verify().is_ok());
    drop((end, end_second));
    for thread in [earlier, second, service] {
        thread.join().unwrap();
    }
    check.verify();
}

#[test]
fn a_check_that_is_over_leaves_no_mark() {
    assert!(Snapshot::capture().is_empty());
    let check = check();
    assert_eq!(Snapshot::capture().len(), 1);
    check.verify();
    assert!(Snapshot::capture().is_empty());
}

#[test]
fn a_leak_of_an_earlier_test_on_the_same_thread_is_not_blamed() {
    let earlier = check();
    let (end, wait) = until_told();
    let leak = thread::spawn(wait);
    only(earlier.try_verify());
    drop(earlier);
    check().verify();
    drop(end);
    leak.join().unwrap();
}

#[test]
fn a_child_that_asks_is_not_blamed_and_its_sister_is() {
    let check = check();
    let (end, wait) = until_told();
    let sister = thread::Builder::new().name("sister").spawn(wait).unwrap();
    let found = thread::spawn(move || only(check.try_verify()).name).join().unwrap();
    assert_eq!(found.as_deref(), Some("sister"));
    drop(end);
    sister.join().unwrap();
}

#[test]
fn what_is_started_after_the_context_was_emptied_is_found_by_its_parent() {
    let check = check();
    routines::flush();
    let (end, wait) = until_told();
    let child = thread::spawn(wait);
    only(check.try_verify());
    drop(end);
    child.join().unwrap();
    check.verify();
}

#[test]
fn a_check_inside_another_gives_the_mark_back() {
    let outer = check();
    check().verify();
    let (end, wait) = until_told();
    // Its own detached parent is gone at once: only the mark can tell whose it is.
    let child = thread::spawn(move || thread::spawn(wait)).join().unwrap();
    only(outer.try_verify());
    drop(end);
    child.join().unwrap();
    outer.verify();
}

#[test]
fn the_outer_of_two_checks_counts_what_the_inner_one_counts() {
    let outer = check();
    let (end, wait) = until_told();
    let child = {
        let inner = check();
        let child = thread::spawn(move || thread::spawn(wait)).join().unwrap();
        only(inner.try_verify());
        child
    };
    only(outer.try_verify());
    drop(end);
    child.join().unwrap();
    outer.verify();
}

#[test]
fn a_strangers_thread_counts_while_it_runs_in_the_tests_context() {
    let (end, wait) = until_told();
    let check = check();
    let snapshot = Snapshot::capture();
    let (begun, running) = std::sync::mpsc::channel();
    let (leave, left) = std::sync::mpsc::channel::<()>();
    let stranger = std::thread::spawn(move || {
        snapshot.sync_scope(|| {
            begun.send(()).unwrap();
            wait();
        });
        begun.send(()).unwrap();
        let _ = left.recv();
    });
    running.recv().unwrap();
    only(check.try_verify());
    drop(end);
    running.recv().unwrap();
    check.verify();
    drop(leave);
    stranger.join().unwrap();
}

#[test]
fn the_mark_is_shown_nowhere() {
    static USER: Local<&str> = Local::new().named("user");
    USER.sync_scope("ada", || {
        let _check = check();
        let mut shown = Vec::new();
        routines::for_each_named(|name, _| shown.push(name));
        let info = routines::current().info().unwrap();
        assert_eq!((shown, info.values.len()), (vec!["user"], 1));
    });
}
