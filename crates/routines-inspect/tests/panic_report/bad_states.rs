//! A report never makes a panic worse.

use std::fmt;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;

use routines::{Local, thread};
use routines_inspect::panic;
use routines_inspect::panic::Report;

use crate::MEMORY;
use crate::support::{REQUEST_ID, boom, json, run, stderr_of};

/// A value that cannot be shown.
struct Unprintable;

impl fmt::Debug for Unprintable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("from a value's Debug")
    }
}

static UNPRINTABLE: Local<Unprintable> = Local::new().named("unprintable");

#[test]
fn a_panic_in_a_values_debug_during_a_dump_is_reported_and_the_dump_goes_on() {
    let output = run("bad_states::a_panic_in_a_values_debug_during_a_dump_is_reported_and_the_dump_goes_on", || {
        panic::install();
        let dump = REQUEST_ID.sync_scope("req-7".into(), || UNPRINTABLE.sync_scope(Unprintable, routines::dump));
        println!("{dump}");
    });
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let values = r#"{request_id: "req-7", unprintable: "<unprintable>"}"#;
    assert!(output.status.success(), "{err}");
    assert!(out.contains(values) && err.contains(values), "{out}\n{err}");
    // The one that the report's own look at the value raised is not told.
    assert_eq!((err.matches("from a value's Debug").count(), err.matches("panicked; ").count()), (1, 1), "{err}");
}

#[test]
fn a_debug_that_waits_for_the_panicking_thread_costs_the_patience_and_no_more() {
    static HELD: Mutex<()> = Mutex::new(());
    struct Waits;
    impl fmt::Debug for Waits {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let _held = HELD.lock();
            f.write_str("never in time")
        }
    }
    static WAITS: Local<Waits> = Local::new().named("waits");
    let output = run("bad_states::a_debug_that_waits_for_the_panicking_thread_costs_the_patience_and_no_more", || {
        Report::builder().patience(Duration::from_millis(20)).install();
        let held = HELD.lock();
        // More often than reports may hang.
        REQUEST_ID.sync_scope("req-7".into(), || WAITS.sync_scope(Waits, || (0..12).for_each(|_| boom())));
        assert_eq!(reporters(), if cfg!(target_os = "linux") { 8 } else { 0 });
        drop(held);
        // What comes late is not written.
        while reporters() > 0 {
            std::thread::yield_now();
        }
    });
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    assert_eq!(err.matches("no more could be found out").count(), 12, "{err}");
    assert_eq!(err.matches("\"request_id\": \"req-7\"\n").count(), 12, "{err}");
    assert_eq!(err.matches("\"waits\": <not shown>\n").count(), 12, "{err}");
    assert!(!err.contains("never in time"), "{err}");
}

/// The threads that look after reports now, where the system tells.
fn reporters() -> usize {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let names = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "panic report").count()
}

#[test]
fn a_short_report_is_json_too() {
    struct Never;
    impl Write for Never {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    struct Hangs;
    impl fmt::Debug for Hangs {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                std::thread::park();
            }
        }
    }
    static HANGS: Local<Hangs> = Local::new().named("hangs");
    let stderr = stderr_of("bad_states::a_short_report_is_json_too", || {
        Report::builder().json().writer(Never).patience(Duration::from_millis(20)).install();
        HANGS.sync_scope(Hangs, || thread::spawn(boom).join().unwrap());
    });
    let line = json(&stderr);
    assert_eq!((&line["event"], &line["incomplete"]), (&"panic".into(), &true.into()));
    assert!(line["routine"]["id"].is_u64());
}

#[test]
fn a_writer_that_panics_or_fails_is_nobodys_panic() {
    struct Panics(u32);
    impl Write for Panics {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 == 1 { panic!("from the writer") } else { Err(io::Error::other("full")) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let output = run("bad_states::a_writer_that_panics_or_fails_is_nobodys_panic", || {
        Report::builder().writer(Panics(0)).install();
        (0..3).for_each(|_| boom());
    });
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    assert_eq!((err.matches("boom").count(), err.contains("from the writer")), (3, false), "{err}");
}

#[test]
fn with_no_memory_left_the_first_line_is_out() {
    let output = run("bad_states::with_no_memory_left_the_first_line_is_out", || {
        panic::install();
        // The usual hook allocates when it first looks at the environment.
        boom();
        MEMORY.set_limit(MEMORY.allocated()).unwrap();
        panic!("with no memory left");
    });
    let stderr = String::from_utf8(output.stderr).unwrap();
    let (_, after) = stderr.split_once("with no memory left").unwrap();
    assert!(after.contains("memory allocation of ") && output.status.code().is_none(), "{stderr}");
    assert!(after.find("panicked; what it is").unwrap() < after.find("memory allocation of ").unwrap(), "{stderr}");
}

#[test]
fn a_panic_while_a_thread_destroys_its_locals_is_reported() {
    struct AtExit;
    impl Drop for AtExit {
        fn drop(&mut self) {
            boom();
        }
    }
    thread_local!(static AT_EXIT: AtExit = const { AtExit });
    let output = run("bad_states::a_panic_while_a_thread_destroys_its_locals_is_reported", || {
        panic::install();
        for touch_first in [true, false] {
            let run = move || {
                let first = touch_first.then(routines::id);
                AT_EXIT.with(|_| ());
                first.or_else(|| Some(routines::id()))
            };
            std::thread::spawn(run).join().unwrap();
        }
    });
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    assert_eq!((err.matches("boom").count(), err.matches("panicked; what it is").count()), (2, 2), "{err}");
}

#[test]
fn a_hook_that_asks_the_report_again_is_not_in_its_way() {
    let output = run("bad_states::a_hook_that_asks_the_report_again_is_not_in_its_way", || {
        panic::install();
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            report(info);
            report(info);
        }));
        boom();
    });
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{err}");
    assert_eq!(err.matches("panicked; what it is").count(), 2, "{err}");
}

#[test]
fn a_closed_standard_error_is_no_second_panic() {
    let output = run("bad_states::a_closed_standard_error_is_no_second_panic", || {
        panic::install();
        if std::env::var_os("CLOSED").is_some() {
            (0..3).for_each(|_| boom());
            std::process::exit(7);
        }
        let me = std::env::current_exe().unwrap();
        let args: Vec<_> = std::env::args().skip(1).collect();
        let mut child = std::process::Command::new(me);
        let mut child = child.args(args).env("CLOSED", "1").stderr(std::process::Stdio::piped()).spawn().unwrap();
        drop(child.stderr.take());
        std::process::exit(child.wait().unwrap().code().unwrap_or(1));
    });
    assert_eq!(output.status.code(), Some(7));
}
