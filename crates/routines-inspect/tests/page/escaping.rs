//! What comes from outside stays text.

use routines::Local;
use routines_inspect::page;

use crate::support::{TEST, Waiting, ask, waiting};

const SCRIPT: &str = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&";
const CONTROLS: &str = "a\r\nroutine 7 [running]:\u{1b}[31m\u{202e}\u{2028}\u{85}";

static HEADER: Local<&'static str> = Local::new().named("header");
static TOKEN: Local<&'static str> = Local::new().named("token").redacted();
static PANICKING: Local<Panicking> = Local::new().named("panicking");

struct Panicking;

impl std::fmt::Debug for Panicking {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("a defect in a Debug")
    }
}

fn hostile(test: &'static str, text: &'static str) -> Waiting {
    TEST.sync_scope(test, || HEADER.sync_scope(text, || waiting(text)))
}

#[test]
fn a_script_arrives_in_json_as_the_text_it_is() {
    let _row = hostile("script", SCRIPT);
    let row = &ask(&[("q", "test=script")])["routines"][0];
    assert_eq!((&row["name"], &row["values"]["header"]), (&SCRIPT.into(), &SCRIPT.into()));
    let groups = ask(&[("q", "test=script"), ("view", "groups")]);
    assert_eq!(groups["groups"][0]["values"]["header"]["commonest"][0][0], SCRIPT);
}

#[test]
fn controls_are_escaped_in_every_text() {
    let _row = hostile("controls", CONTROLS);
    for text in [page::grouped(), page::each(), page::tree()] {
        assert!(text.contains(r"a\r\nroutine 7 [running]:\u001b[31m\u202e\u2028\u0085"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{2028}', '\u{85}', '\r']));
        assert!(!text.lines().any(|line| line.starts_with("routine 7 [running]")), "a line that looks like another");
    }
}

#[test]
fn a_redacted_value_is_a_mark_and_its_text_is_not_found() {
    let _row = TEST.sync_scope("redacted", || TOKEN.sync_scope("hunter2", || waiting("row")));
    assert_eq!(ask(&[("q", "test=redacted")])["routines"][0]["values"]["token"], "[redacted]");
    assert_eq!(ask(&[("q", "test=redacted hunter2")])["matching"], 0);
    assert_eq!(ask(&[("q", "test=redacted token=hunter2")])["matching"], 0);
    assert_eq!(ask(&[("q", "test=redacted token=")])["matching"], 1);
    assert!([page::grouped(), page::each(), page::tree()].iter().all(|text| !text.contains("hunter2")));
}

#[test]
fn a_value_whose_debug_panics_is_a_mark() {
    let _row = TEST.sync_scope("panicking", || PANICKING.sync_scope(Panicking, || waiting("row")));
    assert_eq!(ask(&[("q", "test=panicking")])["routines"][0]["values"]["panicking"], "<unprintable>");
}

#[test]
fn the_page_names_no_other_host_and_builds_no_markup_from_text() {
    let own = [page::html(), page::style(), page::script(), page::icon()];
    for text in own {
        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://") && !text.contains("src=\"//") && !text.contains("url("), "{text}");
    }
    for sink in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "eval(",
        "Function(",
        "srcdoc",
        "createContextualFragment",
    ] {
        assert!(!page::script().contains(sink), "{sink}");
    }
    // What the security policy forbids would not run: it must not be there.
    assert!(!page::html().contains("<style") && !page::html().contains("style=") && !page::html().contains(" on"));
    assert_eq!(page::html().matches("<script").count(), 1);
}
