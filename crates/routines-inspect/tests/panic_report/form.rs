//! The forms of a report, what is left out of it, and what stands beside it.

use std::io::{self, Write};

use routines::{Local, thread};
use routines_inspect::panic;
use routines_inspect::panic::Report;

use crate::support::{REQUEST_ID, boom, boom_below_an_ended_parent, json, stderr_of};

#[test]
fn the_hook_that_was_there_is_called_first_and_the_report_once() {
    let stderr = stderr_of("form::the_hook_that_was_there_is_called_first_and_the_report_once", || {
        std::panic::set_hook(Box::new(|_| eprintln!("my own hook")));
        assert!(panic::install());
        assert!(!Report::builder().json().install());
        boom();
    });
    assert!(stderr.contains("my own hook\nroutine "), "{stderr}");
    assert_eq!((stderr.matches("my own hook").count(), stderr.matches("panicked; ").count()), (1, 1), "{stderr}");
    assert!(!stderr.contains("boom"));
}

#[test]
fn json_is_one_line_with_the_message_the_routine_and_its_parents() {
    let stderr = stderr_of("form::json_is_one_line_with_the_message_the_routine_and_its_parents", || {
        Report::builder().json().install();
        let child = || thread::spawn(boom).join().unwrap();
        REQUEST_ID.sync_scope("two\nlines \u{202e}\u{1b}[31m".into(), || thread::spawn(child).join().unwrap());
    });
    let line = json(&stderr);
    assert_eq!((&line["version"], &line["event"], &line["message"]), (&1.into(), &"panic".into(), &"boom".into()));
    assert!(line["location"].as_str().unwrap().contains("support.rs:"));
    assert_eq!(line["routine"]["values"]["request_id"], "two\nlines \u{202e}\u{1b}[31m");
    assert_eq!(line["routine"]["parent"], line["parents"][0]["id"]);
    assert_eq!(line["parents"].as_array().unwrap().len(), 2);
    assert!(!stderr.contains(['\u{202e}', '\u{1b}']) && stderr.ends_with("}\n"), "{stderr}");
}

#[test]
fn json_of_a_parent_that_has_ended_is_its_id_and_state() {
    let stderr = stderr_of("form::json_of_a_parent_that_has_ended_is_its_id_and_state", || {
        Report::builder().json().install();
        boom_below_an_ended_parent();
    });
    let line = json(&stderr);
    assert_eq!(line["parents"], serde_json::json!([{ "id": line["routine"]["parent"], "state": "done" }]));
}

#[test]
fn a_value_cannot_forge_lines_or_drive_the_terminal() {
    let stderr = stderr_of("form::a_value_cannot_forge_lines_or_drive_the_terminal", || {
        panic::install();
        REQUEST_ID.sync_scope("x\nroutine 1 [done]\u{1b}[2J\u{202e}\u{2028}".into(), boom);
    });
    assert!(stderr.contains(r#""x\nroutine 1 [done]\u001b[2J\u202e\u2028""#), "{stderr}");
    assert!(!stderr.contains(['\u{1b}', '\u{202e}', '\u{2028}']));
}

static TOKEN: Local<String> = Local::new().named("token").redacted();
static SECRET: Local<String> = Local::new();

fn with_secrets(report: Report) {
    report.install();
    TOKEN
        .sync_scope("hunter2".into(), || SECRET.sync_scope("swordfish".into(), || thread::spawn(boom).join().unwrap()));
}

#[test]
fn redacted_values_stay_redacted_and_unnamed_ones_do_not_show() {
    let name = "form::redacted_values_stay_redacted_and_unnamed_ones_do_not_show";
    let stderr = stderr_of(name, || with_secrets(Report::builder()));
    assert!(stderr.contains(r#"{token: "[redacted]"}"#), "{stderr}");
    assert!(!stderr.contains("hunter2") && !stderr.contains("swordfish"), "{stderr}");
}

#[test]
fn json_redacts_too() {
    let stderr = stderr_of("form::json_redacts_too", || with_secrets(Report::builder().json()));
    assert_eq!(json(&stderr)["routine"]["values"], serde_json::json!({ "token": "[redacted]" }));
    assert!(!stderr.contains("hunter2") && !stderr.contains("swordfish"), "{stderr}");
}

#[test]
fn values_can_be_left_out() {
    let stderr = stderr_of("form::values_can_be_left_out", || {
        Report::builder().without_values().install();
        REQUEST_ID.sync_scope("req-7".into(), || thread::spawn(boom).join().unwrap());
    });
    assert!(stderr.contains("[running]:") && !stderr.contains("req-7") && !stderr.contains("request_id"), "{stderr}");
}

#[test]
fn a_report_goes_to_its_writer_whole_and_in_one_piece() {
    struct Pieces;
    impl Write for Pieces {
        fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
            println!("<{}>", String::from_utf8_lossy(piece));
            Ok(piece.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let output = crate::support::run("form::a_report_goes_to_its_writer_whole_and_in_one_piece", || {
        Report::builder().writer(Pieces).install();
        boom();
    });
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let piece = &out[out.find('<').unwrap()..];
    assert!(piece.starts_with("<routine ") && piece.trim_end().ends_with('>'), "{out}");
    assert_eq!((piece.matches('<').count(), piece.matches("panicked; ").count()), (1, 1), "{out}");
    assert!(err.contains("boom") && !err.contains("panicked; "), "{err}");
}

#[test]
fn a_report_is_bounded_whatever_the_values_are() {
    let stderr = stderr_of("form::a_report_is_bounded_whatever_the_values_are", || deep(Report::builder()));
    assert!((8_000..20_000).contains(&stderr.len()), "{}", stderr.len());
    assert!(stderr.ends_with("…\n"));
}

#[test]
fn json_that_would_be_too_long_is_whole_and_without_values() {
    let stderr =
        stderr_of("form::json_that_would_be_too_long_is_whole_and_without_values", || deep(Report::builder().json()));
    let line = json(&stderr);
    assert_eq!((line["parents"].as_array().unwrap().len(), &line["routine"]["values"]), (16, &serde_json::json!({})));
}

/// A panic below twenty routines with forty values of a megabyte each.
fn deep(report: Report) {
    fn below(generations: usize) {
        match generations {
            0 => boom(),
            _ => thread::spawn(move || below(generations - 1)).join().unwrap(),
        }
    }
    report.patience(std::time::Duration::from_secs(60)).install();
    let keys: Vec<Local<String>> =
        (0..40).map(|n| Local::new().named(Box::leak(format!("key-{n}").into_boxed_str()))).collect();
    keys.iter().for_each(|key| drop(key.set("\u{1b}".repeat(1 << 20))));
    below(20);
}
