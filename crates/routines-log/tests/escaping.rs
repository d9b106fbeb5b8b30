//! That no value can forge a line or break its format, wherever it comes from.

mod support;

use std::cell::RefCell;
use std::fmt;

use log::Log;
use proptest::prelude::*;
use routines::Local;
use routines_log::tracing::WithContext;
use support::Lines;
use tracing::subscriber::with_default;

static ID: Local<String> = Local::new().named("request_id");
static OWN: Local<Own> = Local::new().named_display("own");

/// Writes itself raw, as a newtype over a header's value would.
struct Own(String);

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const NASTY: &str =
    "a\nb\r\n\t\0\u{7}\u{1b}[2J\u{7f}\u{85}\u{9b}31m\u{2028}\u{2029}\u{202e}\u{2066} \"q\" \\n = {x} 👩\u{200d}🚀";

fn bound<R>(value: &str, f: impl FnOnce() -> R) -> R {
    ID.sync_scope(value.to_owned(), || OWN.sync_scope(Own(value.to_owned()), f))
}

fn text_line(value: &str) -> String {
    let lines = Lines::default();
    let subscriber = lines.builder().map_event_format(WithContext::new).finish();
    with_default(subscriber, || bound(value, || tracing::info!("hello")));
    lines.text()
}

fn json_line(value: &str) -> String {
    let lines = Lines::default();
    let subscriber = lines.builder().json().map_event_format(WithContext::new).finish();
    with_default(subscriber, || bound(value, || tracing::info!("hello")));
    lines.text()
}

fn env_logger_line(value: &str) -> String {
    let lines = Lines::default();
    let logger = env_logger::Builder::new()
        .filter_level(log::LevelFilter::Info)
        .format_timestamp(None)
        .target(env_logger::Target::Pipe(Box::new(lines.clone())))
        .build();
    let logger = routines_log::log::WithContext::new(logger);
    log::set_max_level(log::LevelFilter::Trace);
    bound(value, || log::info!(logger: logger, "hello"));
    lines.text()
}

/// What a logger that keeps structured values is handed under the two names.
fn exact_values(value: &str) -> [Option<String>; 2] {
    let logger = routines_log::log::WithContext::new(Keep).exact();
    log::set_max_level(log::LevelFilter::Trace);
    bound(value, || log::info!(logger: logger, "hello"));
    KEPT.take().try_into().expect("one record of two values")
}

thread_local! {
    static KEPT: RefCell<Vec<Option<String>>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what its thread logs.
struct Keep;

impl Log for Keep {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let value = |name| Some(record.key_values().get(log::kv::Key::from_str(name))?.to_borrowed_str()?.to_owned());
        KEPT.with_borrow_mut(|kept| kept.extend(["request_id", "own"].map(value)));
    }

    fn flush(&self) {}
}

/// The characters of a line, without its end, that may not be on one.
fn raw_controls(line: &str) -> Vec<char> {
    let line = line.strip_suffix('\n').expect("a line ends in a line break");
    let forbidden = |c: &char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{2066}".contains(*c);
    line.chars().filter(forbidden).collect()
}

/// Reads `name=value` off a text line: a quoted value is a JSON string.
fn read_pair<'a>(line: &'a str, name: &str) -> (String, &'a str) {
    let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).expect("the pair comes next");
    if !value.starts_with('"') {
        let (word, rest) = value.split_once(' ').expect("a space ends a word");
        return (word.to_owned(), rest);
    }
    let mut strings = serde_json::Deserializer::from_str(value).into_iter::<String>();
    let text = strings.next().expect("a string").expect("a JSON string");
    (text, value[strings.byte_offset()..].strip_prefix(' ').expect("a space ends a pair"))
}

fn assert_text_line_is_faithful(value: &str) {
    let line = text_line(value);
    assert_eq!(raw_controls(&line), []);
    let (first, rest) = read_pair(&line, "request_id");
    let (second, rest) = read_pair(rest, "own");
    assert_eq!((first.as_str(), second.as_str(), rest), (value, value, " INFO hello\n"));
}

fn assert_json_line_is_faithful(value: &str) {
    let line = json_line(value);
    assert_eq!(raw_controls(&line), []);
    let parsed: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
    assert_eq!((&parsed["request_id"], &parsed["own"]), (&value.into(), &value.into()));
}

#[test]
fn a_nasty_value_cannot_forge_a_text_line() {
    assert_text_line_is_faithful(NASTY);
}

#[test]
fn a_nasty_value_comes_back_whole_from_a_json_line() {
    assert_json_line_is_faithful(NASTY);
}

#[test]
fn a_nasty_value_cannot_forge_a_line_of_env_logger() {
    let line = env_logger_line("one\ntwo\u{1b}[2J \u{2028}\\");
    assert_eq!(
        line,
        "[INFO  escaping] hello request_id=one\\ntwo\\u001b[2J \\u2028\\ own=one\\ntwo\\u001b[2J \\u2028\\\n"
    );
    assert_eq!(raw_controls(&env_logger_line(NASTY)), []);
}

#[test]
fn an_ordinary_value_reaches_env_logger_as_it_is() {
    let ordinary = "C:\\temp \"naïve\" e\u{301} 東京";
    assert!(env_logger_line(ordinary).contains(&format!("request_id={ordinary} own={ordinary}\n")));
}

#[test]
fn a_name_cannot_forge_a_line_either() {
    static NAME: Local<u32> = Local::new().named("a\nb c");
    assert!(NAME.sync_scope(1, || text_line("x")).contains("\"a\\nb c\"=1 "));
    assert!(NAME.sync_scope(1, || json_line("x")).contains("\"a\\nb c\":1"));
    assert!(NAME.sync_scope(1, || env_logger_line("x")).contains(" a\\nb c=1"));
}

proptest! {
    #[test]
    fn any_string_comes_back_whole_from_a_json_line(value in any::<String>()) {
        assert_json_line_is_faithful(&value);
    }

    #[test]
    fn any_string_is_whole_and_harmless_on_a_text_line(value in any::<String>()) {
        assert_text_line_is_faithful(&value);
    }

    #[test]
    fn any_string_is_harmless_on_a_line_of_env_logger(value in any::<String>()) {
        prop_assert_eq!(raw_controls(&env_logger_line(&value)), vec![]);
    }

    #[test]
    fn any_string_reaches_an_exact_logger_as_bound(value in any::<String>()) {
        prop_assert_eq!(exact_values(&value), [Some(value.clone()), Some(value.clone())]);
    }

    #[test]
    fn strings_of_controls_are_harmless_everywhere(value in "[\\x00-\\x1f\\x7f-\\u{9f}\\u{2028}\\u{2029}\"\\\\ ={}a]{0,12}") {
        assert_json_line_is_faithful(&value);
        assert_text_line_is_faithful(&value);
        prop_assert_eq!(raw_controls(&env_logger_line(&value)), vec![]);
    }
}
