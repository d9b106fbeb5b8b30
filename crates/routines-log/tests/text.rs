//! Where the pairs stand on text lines, in which form, and which are left out.

mod support;

use std::fmt;

use routines::Local;
use routines_log::tracing::WithContext;
use support::{Builder, Lines};
use tracing::subscriber::with_default;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::{EnvFilter, fmt::format};

static ID: Local<String> = Local::new().named("request_id");
static TENANT: Local<u32> = Local::new().named("tenant");
static SECRET: Local<String> = Local::new();

fn with_id<R>(f: impl FnOnce() -> R) -> R {
    ID.sync_scope("req-7".into(), f)
}

/// What `log` writes through the full format.
fn full(log: impl FnOnce()) -> String {
    full_with(|builder| builder, log)
}

fn full_with(set_up: impl FnOnce(Builder) -> Builder, log: impl FnOnce()) -> String {
    let lines = Lines::default();
    let subscriber = set_up(lines.builder()).map_event_format(WithContext::new).finish();
    with_default(subscriber, log);
    lines.text()
}

#[test]
fn the_full_format_has_the_pairs_in_front() {
    let line = full(|| with_id(|| TENANT.sync_scope(4, || tracing::info!(items = 3, "loaded"))));
    assert_eq!(line, "request_id=\"req-7\" tenant=4  INFO loaded items=3\n");
}

#[test]
fn the_compact_format_has_the_pairs_in_front() {
    let lines = Lines::default();
    let subscriber = lines.builder().compact().map_event_format(WithContext::new).finish();
    with_default(subscriber, || with_id(|| tracing::info!(items = 3, "loaded")));
    assert_eq!(lines.text(), "request_id=\"req-7\"  INFO loaded items=3\n");
}

#[test]
fn the_pretty_format_has_the_pairs_in_front_of_its_first_line() {
    let lines = Lines::default();
    let subscriber = lines.builder().pretty().map_event_format(WithContext::new).finish();
    with_default(subscriber, || with_id(|| tracing::info!(items = 3, "loaded")));
    let text = lines.text();
    assert!(text.starts_with("request_id=\"req-7\"   "), "{text:?}");
    assert_eq!(text.matches("request_id").count(), 1);
    assert!(text.contains("loaded, items: 3"), "{text:?}");
}

#[test]
fn a_formatter_of_ones_own_can_be_wrapped() {
    let lines = Lines::default();
    let own = WithContext::text(format().without_time().with_target(false).compact());
    with_default(lines.builder().event_format(own).finish(), || with_id(|| tracing::info!("loaded")));
    assert_eq!(lines.text(), "request_id=\"req-7\"  INFO loaded\n");
}

#[test]
fn the_formatter_keeps_its_colours() {
    let text = full_with(|builder| builder.with_ansi(true), || with_id(|| tracing::info!("loaded")));
    assert_eq!(text, "request_id=\"req-7\" \u{1b}[32m INFO\u{1b}[0m loaded\n");
}

#[test]
fn with_nothing_bound_the_line_is_the_formatters_own() {
    assert_eq!(full(|| tracing::info!("loaded")), " INFO loaded\n");
}

#[test]
fn an_unnamed_key_never_appears() {
    let line = full(|| SECRET.sync_scope("hunter2".into(), || with_id(|| tracing::info!("loaded"))));
    assert_eq!(line, "request_id=\"req-7\"  INFO loaded\n");
}

#[test]
fn a_field_of_the_call_site_wins() {
    let line = full(|| with_id(|| TENANT.sync_scope(4, || tracing::info!(request_id = "mine", "loaded"))));
    assert_eq!(line, "tenant=4  INFO loaded request_id=\"mine\"\n");
}

#[test]
fn a_field_with_a_raw_identifier_wins_under_the_name_it_is_shown_by() {
    static TYPE: Local<u32> = Local::new().named("type");
    let line = full(|| TYPE.sync_scope(1, || tracing::info!(r#type = 2, "loaded")));
    assert_eq!(line, " INFO loaded type=2\n");
}

#[test]
fn a_field_that_is_none_does_not_hide_the_ambient_value() {
    let line = full(|| with_id(|| tracing::info!(request_id = None::<&str>, "loaded")));
    assert_eq!(line, "request_id=\"req-7\"  INFO loaded\n");
}

#[test]
fn the_inner_scope_beats_the_outer() {
    let line = full(|| with_id(|| ID.sync_scope("inner".into(), || tracing::info!("loaded"))));
    assert_eq!(line, "request_id=\"inner\"  INFO loaded\n");
}

#[test]
fn of_two_keys_with_one_name_one_is_shown() {
    static ONE: Local<u32> = Local::new().named("twice");
    static TWO: Local<u32> = Local::new().named("twice");
    let line = full(|| ONE.sync_scope(1, || TWO.sync_scope(2, || tracing::info!("loaded"))));
    assert_eq!(line.matches("twice=").count(), 1, "{line}");
}

#[test]
fn a_name_that_formatters_use_gets_a_prefix() {
    static LEVEL: Local<u32> = Local::new().named("level");
    static MESSAGE: Local<u32> = Local::new().named("message");
    let line = full(|| LEVEL.sync_scope(9, || MESSAGE.sync_scope(1, || tracing::info!("loaded"))));
    assert!(line.contains("ctx.level=9 ") && line.contains("ctx.message=1 "), "{line}");
}

#[test]
fn nested_pairs_stand_in_braces() {
    let lines = Lines::default();
    let subscriber = lines.builder().map_event_format(|f| WithContext::new(f).nested("ctx")).finish();
    with_default(subscriber, || with_id(|| TENANT.sync_scope(4, || tracing::info!("loaded"))));
    assert_eq!(lines.text(), "ctx{request_id=\"req-7\" tenant=4}  INFO loaded\n");
}

#[test]
fn nested_spans_are_shown_as_ever() {
    let line = full(|| {
        let outer = tracing::info_span!("outer", request_id = "of the span");
        let _outer = outer.enter();
        with_id(|| tracing::info_span!("inner", step = 2).in_scope(|| tracing::info!("loaded")))
    });
    assert_eq!(line, "request_id=\"req-7\"  INFO outer{request_id=\"of the span\"}:inner{step=2}: loaded\n");
}

#[test]
fn a_filter_that_drops_the_span_does_not_drop_the_ambient_id() {
    let lines = Lines::default();
    let filter = EnvFilter::new("info");
    let subscriber = lines.builder().with_env_filter(filter).map_event_format(WithContext::new).finish();
    with_default(subscriber, || {
        with_id(|| {
            tracing::debug_span!("request", request_id = "of the span").in_scope(|| tracing::info!("loaded"));
        });
    });
    assert_eq!(lines.text(), "request_id=\"req-7\"  INFO loaded\n");
}

#[test]
fn lines_about_spans_have_the_pairs_of_where_they_are_written() {
    let text = full_with(
        |builder| builder.with_span_events(FmtSpan::NEW | FmtSpan::CLOSE),
        || {
            let span = with_id(|| tracing::info_span!("work"));
            ID.sync_scope("another".into(), || drop(span));
        },
    );
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "request_id=\"req-7\"  INFO work: new");
    assert!(lines[1].starts_with("request_id=\"another\"  INFO work: close"), "{text}");
}

#[test]
fn every_kind_of_value_has_its_form() {
    static SIGNED: Local<i64> = Local::new().named("signed");
    static FLOAT: Local<f64> = Local::new().named("float");
    static TRUTH: Local<bool> = Local::new().named("truth");
    let line =
        full(|| SIGNED.sync_scope(-1, || FLOAT.sync_scope(1.0, || TRUTH.sync_scope(true, || tracing::info!("x")))));
    let mut pairs: Vec<&str> = line.split_whitespace().filter(|word| word.contains('=')).collect();
    pairs.sort_unstable();
    assert_eq!(pairs, ["float=1.0", "signed=-1", "truth=true"]);
}

#[test]
fn what_a_value_writes_itself_is_bare_only_if_it_is_one_plain_word() {
    struct Raw(&'static str);
    impl fmt::Display for Raw {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }
    static RAW: Local<Raw> = Local::new().named_display("raw");
    let shown = |raw| full(|| RAW.sync_scope(Raw(raw), || tracing::info!("x")));
    assert_eq!(shown("t-4"), "raw=t-4  INFO x\n");
    assert_eq!(shown(""), "raw=\"\"  INFO x\n");
    assert_eq!(shown("a tenant=evil"), "raw=\"a tenant=evil\"  INFO x\n");
    assert_eq!(shown("a=b"), "raw=\"a=b\"  INFO x\n");
    assert_eq!(shown("\u{1b}[2J"), "raw=\"\\u001b[2J\"  INFO x\n");
}
