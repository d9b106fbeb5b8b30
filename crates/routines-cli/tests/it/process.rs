//! The command itself, as a process: exit codes, and a terminal that is given back.

use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::support::{Server, page, routine};

const ROUTINES: &str = env!("CARGO_BIN_EXE_routines");

fn run(arguments: &[&str]) -> Output {
    // Nobody is there: a proxy must not be asked.
    let proxies = ["http_proxy", "HTTP_PROXY", "ALL_PROXY"].map(|name| (name, "http://127.0.0.1:1"));
    Command::new(ROUTINES).args(arguments).envs(proxies).stdin(Stdio::null()).output().expect("the command was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_dump_ends_with_0_and_is_without_colours_in_a_pipe() {
    let server = Server::of(page(vec![routine(1, None, "task", None, json!({"tenant": "acme"}))]));
    let output = run(&["dump", &server.address(), "--filter", "tenant=acme", "--sort", "busy", "--desc"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.starts_with(br#"routine 1 [idle, 3s] {tenant: "acme"}:"#), "{output:?}");
    assert!(server.asked()[0].contains("q=tenant%3Dacme&sort=busy&desc=true"), "{:?}", server.asked());
}

#[test]
fn who_cannot_be_reached_or_refuses_ends_with_1_and_the_remedy() {
    let server = Server::new(|_| (403, b"only peers on this machine are let in: tunnel to it".to_vec()));
    let output = run(&["dump", &server.address()]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
    assert!(text(&output.stderr).contains("tunnel to it"), "{output:?}");
    drop(server);
    let output = run(&["dump", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("is it running"), "{output:?}");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for wrong in [
        &["dump"][..],
        &["dump", "nonsense"],
        &["dump", "9000", "--sort", "colour"],
        &["dump", "9000", "--format", "xml"],
        &["top", "9000", "--interval", "0"],
        &["top", "9000", "--interval", "NaN"],
        // No terminal here.
        &["top", "9000"],
    ] {
        let output = run(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let server = Server::of(page((1..900).map(|id| routine(id, None, "task", None, json!({}))).collect()));
    let mut child = Command::new(ROUTINES).args(["dump", &server.address()]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

// ===== on a terminal =====

/// Enters and leaves the other screen, in the order they were written.
const TAKEN: &str = "\u{1b}[?1049h";
const GIVEN_BACK: &str = "\u{1b}[?1049l";

/// Runs a command line in a terminal of its own, and gives what it wrote there; `None` without `script`.
#[cfg(target_os = "linux")]
fn in_terminal(command: &str, keys: &'static [u8]) -> Option<(Option<i32>, String)> {
    use std::io::Write;

    let mut script = Command::new("script");
    script.args(["-qec", command, "/dev/null"]).env("TERM", "xterm").env("ROUTINES_IN_TERMINAL", "1");
    let child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: no `script` here to make a terminal");
        return None;
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(keys).expect("script reads on");
    let output = child.wait_with_output().expect("it ends");
    drop(stdin);
    Some((output.status.code(), text(&output.stdout)))
}

#[cfg(target_os = "linux")]
#[test]
fn top_shows_the_routines_and_gives_the_terminal_back_at_q() {
    let server = Server::of(page(vec![routine(4_711, None, "task", Some("checkout"), json!({"tenant": "acme"}))]));
    let command = format!("stty cols 80 rows 24; {ROUTINES} top {}", server.address());
    let Some((code, wrote)) = in_terminal(&command, b"q") else { return };
    assert_eq!(code, Some(0), "{wrote}");
    let taken = wrote.find(TAKEN).unwrap_or_else(|| panic!("it never took the screen: {wrote:?}"));
    let shown = wrote.find("4711").unwrap_or_else(|| panic!("it never showed the routine: {wrote:?}"));
    let given = wrote.rfind(GIVEN_BACK).unwrap_or_else(|| panic!("it kept the screen: {wrote:?}"));
    assert!(taken < shown && shown < given, "{wrote:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn top_gives_the_terminal_back_when_it_is_told_to_end() {
    use std::sync::atomic::{AtomicU32, Ordering};

    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("top.pid");
    let (asked, pid) = (AtomicU32::new(0), file.clone());
    let server = Server::new(move |_| {
        // What is asked first is asked before the screen is taken.
        if asked.fetch_add(1, Ordering::Relaxed) == 1 {
            let pid = std::fs::read_to_string(&pid).expect("the shell wrote it");
            assert!(Command::new("kill").args(["-TERM", pid.trim()]).status().expect("kill").success());
        }
        (200, page(Vec::new()).to_string().into_bytes())
    });
    let command = format!("echo $$ > {}; exec {ROUTINES} top --interval 0.1 {}", file.display(), server.address());
    let Some((code, wrote)) = in_terminal(&command, b"") else { return };
    assert_eq!(code, Some(0), "{wrote}");
    assert!(
        wrote.find(TAKEN).is_some_and(|taken| wrote.rfind(GIVEN_BACK).is_some_and(|given| taken < given)),
        "{wrote:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn top_does_not_take_the_screen_for_a_process_that_cannot_be_reached() {
    let Some((code, wrote)) = in_terminal(&format!("{ROUTINES} top 127.0.0.1:1"), b"") else { return };
    assert_eq!(code, Some(1), "{wrote}");
    assert!(wrote.contains("is it running") && !wrote.contains(TAKEN), "{wrote:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_panic_gives_the_terminal_back_before_its_message() {
    let exe = std::env::current_exe().expect("this test");
    let command = format!("{} --exact process::panics_on_the_screen --ignored --nocapture", exe.display());
    let Some((_, wrote)) = in_terminal(&command, b"") else { return };
    let given = wrote.find(GIVEN_BACK).unwrap_or_else(|| panic!("it kept the screen: {wrote:?}"));
    let told = wrote.find("a defect in drawing").unwrap_or_else(|| panic!("no message: {wrote:?}"));
    assert!(given < told, "{wrote:?}");
}

/// Not a test: what the one above runs in a terminal.
#[test]
#[ignore = "only of use in a terminal"]
fn panics_on_the_screen() {
    if std::env::var_os("ROUTINES_IN_TERMINAL").is_some() {
        let _ = routines_cli::top::on_screen(|_| -> std::io::Result<()> { panic!("a defect in drawing") });
    }
}
