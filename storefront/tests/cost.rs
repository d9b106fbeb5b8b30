//! Runs the built program's measurement of what being looked at costs, too short to tell anything but that each way works.

use std::process::Command;

#[test]
fn every_way_of_watching_is_measured() {
    let mut cost = Command::new(env!("CARGO_BIN_EXE_storefront"));
    let output = cost.args(["cost", "--rounds", "1", "--requests", "100"]).output().expect("the program starts");
    let (report, messages) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{report}{messages}");
    let ways: &[&str] = if cfg!(target_os = "linux") {
        &["nobody", "timed", "page", "labels", "profile", "published"]
    } else {
        &["page"]
    };
    for way in ways {
        let row = report.lines().find(|line| line.contains(way)).unwrap_or_else(|| panic!("{way}: {report}{messages}"));
        assert_eq!(row.matches('|').count(), 7, "{row}");
    }
}
