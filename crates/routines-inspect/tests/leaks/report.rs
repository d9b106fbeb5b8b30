//! What a failed check says.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use routines::{Dump, Local, thread};
use routines_inspect::leak::LeakCheck;

use crate::support::{check, current_thread, panic_of, until_told};

static REQUEST_ID: Local<&str> = Local::new().named("request_id");

#[test]
fn the_message_tells_the_line_of_the_check_and_dumps_what_is_left() {
    let (line, check) = (line!(), check());
    let (end, wait) = until_told();
    let child = REQUEST_ID.sync_scope("req-7", || thread::Builder::new().name("forgotten").spawn(wait).unwrap());
    let message = panic_of(|| check.verify());
    let (head, dump) = message.split_once("\n\n").unwrap();
    assert!(head.starts_with(&format!("leak check at {}:{line}:", file!())), "{head}");
    assert!(head.ends_with("1 routine of this test still lives after 0ns"), "{head}");
    let read = Dump::parse(dump).unwrap().routines;
    assert_eq!((read.len(), read[0].name.as_deref()), (1, Some("forgotten")));
    assert!(dump.contains(r#"{request_id: "req-7"}"#), "{dump}");
    drop(end);
    child.join().unwrap();
}

/// Where the last panic of this thread was, as the hook saw it.
fn place_of_panic(f: impl FnOnce()) -> (String, u32) {
    static TURN: Mutex<()> = Mutex::new(());
    static LAST: Mutex<Option<(std::thread::ThreadId, String, u32)>> = Mutex::new(None);
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let usual = std::panic::take_hook();
    let me = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        let at = info.location().map(|at| (std::thread::current().id(), at.file().to_owned(), at.line()));
        if at.as_ref().is_some_and(|(thread, ..)| *thread == me) {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = at;
        }
    }));
    panic_of(f);
    std::panic::set_hook(usual);
    let (_, file, line) = LAST.lock().unwrap_or_else(PoisonError::into_inner).take().expect("the hook ran");
    (file, line)
}

#[test]
fn the_panic_is_at_the_callers_line() {
    let check = check();
    let (end, wait) = until_told();
    let child = thread::spawn(wait);
    let line = line!() + 1;
    assert_eq!(place_of_panic(|| check.verify()), (file!().to_owned(), line));
    drop(end);
    child.join().unwrap();

    let (end, wait) = until_told();
    let line = line!() + 1;
    let of_a_whole_test = || LeakCheck::new().patience(Duration::ZERO).check(|| drop(thread::spawn(wait)));
    assert_eq!(place_of_panic(of_a_whole_test), (file!().to_owned(), line));
    drop(end);
}

#[test]
fn the_message_of_an_async_check_tells_the_callers_line() {
    let line = line!() + 2;
    let leaky = async {
        let check = LeakCheck::new().patience(Duration::ZERO);
        check.check_async(async { drop(routines_tokio::spawn(std::future::pending::<()>())) }).await;
    };
    let message = panic_of(|| current_thread().block_on(leaky));
    assert!(message.starts_with(&format!("leak check at {}:{line}:", file!())), "{message}");
}

#[test]
fn the_panic_of_the_test_itself_is_not_hidden_by_its_leaks() {
    let (end, wait) = until_told();
    let message = panic_of(|| {
        LeakCheck::new().patience(Duration::ZERO).check(|| {
            drop(thread::spawn(wait));
            assert_eq!(1 + 1, 3, "the test's own");
        })
    });
    assert!(message.contains("the test's own"), "{message}");
    drop(end);
}

#[test]
fn a_hundred_leaks_are_shown_and_the_others_counted() {
    current_thread().block_on(async {
        let check = check();
        let tasks: Vec<_> = (0..103).map(|_| routines_tokio::spawn(std::future::pending::<()>())).collect();
        let leaks = check.try_verify_async().await.unwrap_err();
        let text = leaks.to_string();
        assert_eq!((leaks.routines().len(), text.matches("\nroutine ").count()), (103, 100));
        assert!(text.ends_with("\nand 3 more\n"), "{text}");
        drop(tasks);
    });
}

/// A check that was made in a routine that has nothing to do with the test.
fn made_elsewhere() -> LeakCheck {
    std::thread::spawn(|| LeakCheck::new().patience(Duration::ZERO)).join().unwrap()
}

#[test]
fn a_whole_test_answers_for_its_grandchildren_and_for_what_it_detached() {
    let ((end, wait), (end_other, wait_other)) = (until_told(), until_told());
    let message = panic_of(|| {
        made_elsewhere().check(|| {
            drop(thread::spawn(|| thread::spawn(wait)).join().unwrap());
            drop(thread::spawn_detached(wait_other));
        })
    });
    assert!(message.contains(": 2 routines of this test still live"), "{message}");
    drop((end, end_other));
}

#[test]
fn a_whole_async_test_answers_for_its_grandchildren_and_for_what_it_detached() {
    let test = made_elsewhere().check_async(async {
        let forever = std::future::pending::<()>;
        let child = routines_tokio::spawn(async move { drop(routines_tokio::spawn(forever())) });
        child.await.unwrap();
        drop(routines_tokio::spawn_detached(forever()));
    });
    let message = panic_of(|| current_thread().block_on(test));
    assert!(message.contains(": 2 routines of this test still live"), "{message}");
}
