//! Runs the built program as a user does: a small load, the same with a fault planted, bad arguments, and `--serve`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn storefront(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_storefront")).args(arguments).output().expect("the program starts")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("a report is text")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("messages are text")
}

/// The number in the summary's row `name`.
fn figure(report: &str, name: &str) -> u64 {
    let row = report.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("  "));
    let row = row.unwrap_or_else(|| panic!("no row {name:?} in\n{report}")).trim_start();
    // A number's thousands are one space apart, a note is two spaces off.
    row.split("  ").next().unwrap().replace(' ', "").parse().unwrap()
}

#[test]
fn every_line_of_a_small_load_knows_its_request() {
    let output = storefront(&["--requests", "60", "--concurrency", "8"]);
    let report = stdout(&output);
    assert!(output.status.success(), "{report}{}", stderr(&output));
    for name in ["  failed", "lines without their id", "lines with a wrong id", "lines unreadable"] {
        assert_eq!(figure(report, name), 0, "{name}");
    }
    let responses = ["  answered", "  answered on retry", "  disconnected"].map(|name| figure(report, name));
    assert_eq!((figure(report, "requests"), responses), (60, [51, 6, 3]));
    assert_eq!(figure(report, "routines at the end"), figure(report, "routines at the start"));
}

#[test]
fn every_kind_of_work_logs_in_that_load() {
    let output = storefront(&["--requests", "60"]);
    let report = stdout(&output);
    // Per order: 5 statements that write and 1 that reads; a task's 2 lines; a thread's and an actor's.
    let lines = ["  db", "  pricing", "  label", "  stockroom"].map(|module| figure(report, module));
    assert_eq!(lines, [360, 120, 60, 60]);
    // 3 customers leave: 2 lines each. The others pay, 6 of them with 2 lines for the try before, and get a mail.
    assert_eq!(["  backorders", "  payment", "  mail"].map(|module| figure(report, module)), [6, 69, 57]);
}

#[test]
fn the_report_shows_a_request_and_the_tree_it_grew() {
    // One at a time: what is caught is then the request known to be in the service, or nothing.
    let output = storefront(&["--requests", "40", "--concurrency", "1"]);
    let report = stdout(&output);
    assert!(report.contains(r#""message":"hung up on the bank""#), "{report}");
    assert!(report.contains(r#"task "POST /orders" from "#), "{report}");
    assert!(!report.contains('\u{1b}'), "colour without a terminal");
}

#[test]
fn a_task_spawned_without_context_is_found() {
    let output = storefront(&["--requests", "60", "--forget-spawn"]);
    let report = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{report}{}", stderr(&output));
    // The task's two lines of each order, and the mail to each customer who stayed.
    assert_eq!(figure(report, "lines without their id"), 177);
    assert_eq!(figure(report, "lines with a wrong id"), 0);
    assert!(report.contains("Not all is well"));
}

/// No line of it is wrapped: tasks get their context from the runtime's hooks, the rest runs within tasks.
#[cfg(tokio_unstable)]
#[test]
fn every_line_knows_its_request_on_hooks_alone() {
    let output = storefront(&["--requests", "600", "--hooks"]);
    let report = stdout(&output);
    assert!(output.status.success(), "{report}{}", stderr(&output));
    for name in ["  failed", "lines without their id", "lines with a wrong id", "lines unreadable"] {
        assert_eq!(figure(report, name), 0, "{name}");
    }
    assert_eq!(figure(report, "routines at the end"), figure(report, "routines at the start"));
    assert!(
        report.contains("/axum-") && report.contains(r#"task "POST /orders" from "#),
        "connections are in the tree: {report}"
    );
}

#[cfg(not(tokio_unstable))]
#[test]
fn a_build_without_hooks_says_what_it_lacks() {
    let output = storefront(&["--requests", "60", "--hooks"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--cfg tokio_unstable"), "{}", stderr(&output));
}

#[test]
fn a_bad_flag_is_told_with_status_2() {
    for (arguments, part) in [
        (&["--rquests", "60"][..], "--requests"),
        (&["--requests", "0"][..], "0 is not in 1.."),
        (&["--concurrency", "many"][..], "invalid value 'many'"),
        (&["--serve", "nowhere"][..], "127.0.0.1:8080"),
        (&["--serve", "8080", "--requests", "60"][..], "cannot be used with"),
        (&["--inspect", "--requests", "60"][..], "cannot be used with"),
    ] {
        let output = storefront(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn an_address_in_use_is_told_with_status_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = storefront(&["--serve", &address]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        format!("error: cannot listen on {address}: address already in use; choose another port\n")
    );
}

/// A service that is ended whatever becomes of the test.
struct Serving(Child);

impl Serving {
    /// Asks it to end, as a supervisor does, and returns its status.
    #[cfg(unix)]
    fn end(mut self) -> std::process::ExitStatus {
        let kill = format!("kill -TERM {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.0.wait().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn serve_answers_and_logs_text_that_an_id_cannot_break() {
    let mut serving = Command::new(env!("CARGO_BIN_EXE_storefront"));
    let mut serving = Serving(serving.args(["--serve", "0"]).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(serving.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let open = lines.find(|line| line.contains("open for business")).unwrap();
    let address = open.rsplit_once("address=").unwrap().1;

    let body = r#"{"sku": 3, "quantity": 2}"#;
    let head = "POST /orders HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json";
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "{head}\r\nx-request-id: a\tb\"c\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();

    assert!(answer.contains("x-request-id: a\tb\"c\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"order":1,"cents":780,"attempts":1}"#), "{answer}");
    let accepted = lines.find(|line| line.contains("order accepted")).unwrap();
    assert!(accepted.starts_with(r#"request_id="a\tb\"c" "#), "{accepted}");

    #[cfg(unix)]
    assert!(serving.end().success());
}

#[test]
fn inspect_shows_whom_work_is_for_on_a_port_of_its_own() {
    let mut serving = Command::new(env!("CARGO_BIN_EXE_storefront"));
    let arguments = ["--inspect", "--concurrency", "8"];
    let mut serving = Serving(serving.args(arguments).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(serving.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut address = |name: &str| lines.find_map(|line| Some(line.strip_prefix(name)?.to_owned())).unwrap();
    let (page, shop) = (address("page: http://"), address("shop: http://"));

    let body = r#"{"sku": 3, "quantity": 2, "trouble": "slow-supplier"}"#;
    let head = "POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-tenant: zenith";
    let mut waiting = TcpStream::connect(shop.split(',').next().unwrap()).unwrap();
    write!(waiting, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();

    let (address, path) = page.split_once('/').unwrap();
    let look = || {
        let mut connection = TcpStream::connect(address).unwrap();
        let head = "HTTP/1.1\r\nhost: localhost\r\nconnection: close";
        write!(connection, "GET /{path}/json?q=tenant%3Dzenith {head}\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer
    };
    // The request, its supplier and two warehouses, once it has come so far.
    let end = Instant::now() + Duration::from_secs(20);
    while !look().contains(r#""matching":4"#) {
        assert!(Instant::now() < end, "{}", look());
    }
    assert!(look().contains(r#""route":"POST /orders""#));
    #[cfg(unix)]
    assert!(serving.end().success());
}
