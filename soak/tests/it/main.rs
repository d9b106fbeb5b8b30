//! That the soak itself runs, briefly, and judges.
#![allow(missing_docs, reason = "a test's name is its sentence")]

use std::process::Command;

#[test]
fn routines_that_start_and_end_while_they_are_watched_have_the_right_parents_and_leave_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_soak")).args(["--watched", "2"]).output().expect("it was built");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
