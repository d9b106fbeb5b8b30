//! Runs a test's scenario in a process of its own.

use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use routines::{Local, RoutineInfo, thread};

pub(crate) static REQUEST_ID: Local<String> = Local::new().named("request_id");
pub(crate) static TENANT: Local<u32> = Local::new().named("tenant");

const CHILD: &str = "ROUTINES_PANIC_REPORT_CHILD";

/// In the test: what `scenario` wrote to standard error in a process of its own, where it must not fail. In that
/// process: runs it, and never returns.
pub(crate) fn stderr_of(test: &str, scenario: fn()) -> String {
    let output = run(test, scenario);
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{stderr}");
    stderr
}

/// As [`stderr_of`], with all that is known of how it ended.
pub(crate) fn run(test: &str, scenario: fn()) -> Output {
    if std::env::var_os(CHILD).is_some() {
        // A scenario that hangs is a failure, and not the end of the suite.
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(60));
            std::process::exit(99);
        });
        scenario();
        std::process::exit(0);
    }
    let me = std::env::current_exe().expect("this binary");
    let mut child = Command::new(me);
    child.args(["--exact", test, "--nocapture"]).env(CHILD, "1").env("RUST_BACKTRACE", "0");
    child.stdin(Stdio::null()).output().expect("the child ran")
}

/// Panics with "boom" and goes on.
pub(crate) fn boom() {
    drop(std::panic::catch_unwind(|| panic!("boom")));
}

/// Panics in a routine whose parent has ended.
pub(crate) fn boom_below_an_ended_parent() {
    let (go, wait) = channel::<()>();
    let parent = thread::spawn(move || {
        thread::spawn(move || {
            let _ = wait.recv();
            boom();
        })
    });
    let child = parent.join().unwrap();
    drop(go);
    child.join().unwrap();
}

/// The routines a text report tells of.
pub(crate) fn told(stderr: &str) -> Vec<RoutineInfo> {
    let (_, report) = stderr.split_once("what started it:\n").expect("a report");
    let living =
        report.split_once(" [done]\n").map_or(report, |(living, _)| living.rsplit_once("\nroutine ").unwrap().0);
    routines::Dump::parse(living).unwrap_or_else(|error| panic!("{error} in {living:?}")).routines
}

/// The only line of JSON.
pub(crate) fn json(text: &str) -> serde_json::Value {
    let mut lines = text.lines().filter(|line| line.starts_with('{'));
    let line = lines.next().unwrap_or_else(|| panic!("no JSON in {text}"));
    assert_eq!(lines.next(), None);
    serde_json::from_str(line).expect("JSON")
}
