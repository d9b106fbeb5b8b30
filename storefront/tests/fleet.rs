//! Runs the built program's fleet as a user does, and its parts as a parent does that goes away.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_storefront");
/// Far beyond what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

fn fleet(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("fleet").args(arguments);
    command
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("a report is text")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("messages are text")
}

fn has_redis() -> bool {
    Command::new("redis-server").arg("--version").output().is_ok()
}

#[test]
fn all_is_well_in_a_small_fleet() {
    let output = fleet(&["--requests", "20"]).output().expect("the program starts");
    let report = stdout(&output);
    assert!(output.status.success(), "{report}{}", stderr(&output));
    assert!(report.contains("All is well: 20 requests"), "{report}");
    for kind in [
        "is finished",
        "client leaves half way",
        "late at the inventory",
        "client leaves, is finished",
        "front shuts down",
    ] {
        assert!(report.contains(kind), "{kind}: {report}");
    }
    assert!(!report.contains('\u{1b}'), "colour without a terminal");
}

#[test]
fn without_a_broker_it_says_what_to_install_and_runs_the_rest() {
    let output = fleet(&["--requests", "20"]).env("PATH", "").output().expect("the program starts");
    let report = stdout(&output);
    assert!(output.status.success(), "{report}{}", stderr(&output));
    assert!(stderr(&output).contains("apt-get install redis-server"), "{}", stderr(&output));
    assert!(report.contains("2 hops") && !report.contains("worker     routines"), "{report}");
}

#[test]
fn a_fleet_without_the_layers_is_found() {
    let output = fleet(&["--requests", "2", "--bare"]).output().expect("the program starts");
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{report}{}", stderr(&output));
    assert!(report.contains("Not all is well") && report.contains("no request id"), "{report}");
    assert!(report.contains("a hop does not know the time left"), "{report}");
}

/// A part, and what it says when it is ready.
fn part(role: &str) -> (Child, String) {
    let part = Command::new(PROGRAM).args(["fleet-part", role]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut part = part.expect("the program starts");
    let mut ready = String::new();
    let output: &mut ChildStdout = part.stdout.as_mut().expect("its output is a pipe");
    BufReader::new(output).read_line(&mut ready).expect("it says when it is ready");
    (part, ready)
}

fn ends(mut part: Child) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if part.try_wait().expect("it is our child").is_some() {
            return true;
        }
        std::thread::yield_now();
    }
    let _ = part.kill();
    false
}

#[test]
fn a_part_ends_with_its_parent() {
    let (mut part, ready) = part("inventory");
    assert!(ready.contains("127.0.0.1"), "{ready}");
    assert!(part.try_wait().unwrap().is_none(), "it serves as long as its parent is there");
    // What the system does when the parent is killed.
    drop(part.stdin.take());
    assert!(ends(part));
}

#[test]
fn the_broker_ends_with_its_parent_too() {
    if !has_redis() {
        return;
    }
    let (mut part, ready) = part("broker");
    let address = ready.split('"').find_map(|text| text.parse::<SocketAddr>().ok()).expect("an address");
    assert!(TcpStream::connect(address).is_ok(), "{ready}");
    drop(part.stdin.take());
    assert!(ends(part));
    assert!(TcpStream::connect(address).is_err(), "the broker outlived its parent");
}
