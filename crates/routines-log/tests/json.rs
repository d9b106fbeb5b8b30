//! Where the pairs stand in JSON lines, with which types, and that no key is there twice.

mod support;

use std::fmt;

use routines::Local;
use routines_log::tracing::WithContext;
use serde_json::{Value, json};
use support::Lines;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::with_default;
use tracing_subscriber::fmt::format::{FmtSpan, Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, SubscriberBuilder};
use tracing_subscriber::registry::LookupSpan;

static ID: Local<String> = Local::new().named("request_id");
static TENANT: Local<u32> = Local::new().named("tenant");
static LEVEL: Local<u32> = Local::new().named("level");
static MESSAGE: Local<u32> = Local::new().named("message");

type JsonBuilder = SubscriberBuilder<JsonFields, Format<Json, ()>, LevelFilter, Lines>;

/// What `log` writes in JSON with the formatter that `wrap` makes.
fn lines_with<F>(
    wrap: impl FnOnce(JsonBuilder) -> SubscriberBuilder<JsonFields, F, LevelFilter, Lines>,
    log: impl FnOnce(),
) -> String
where
    F: FormatEvent<tracing_subscriber::Registry, JsonFields> + Send + Sync + 'static,
{
    let lines = Lines::default();
    with_default(wrap(lines.builder().json()).finish(), log);
    lines.text()
}

fn root(log: impl FnOnce()) -> String {
    lines_with(|builder| builder.map_event_format(WithContext::new), log)
}

fn flat(log: impl FnOnce()) -> String {
    lines_with(|builder| builder.flatten_event(true).map_event_format(WithContext::new), log)
}

fn with_id<R>(f: impl FnOnce() -> R) -> R {
    ID.sync_scope("req-7".into(), f)
}

fn parse(line: &str) -> Value {
    assert_eq!(line.matches('\n').count(), 1, "one line: {line:?}");
    serde_json::from_str(line).expect("a JSON line")
}

/// How often `"key":` is in the line: parsers hide what is there twice.
fn times(line: &str, key: &str) -> usize {
    line.matches(&format!("\"{key}\":")).count()
}

#[test]
fn the_pairs_are_the_last_members_of_the_root() {
    let line = root(|| with_id(|| TENANT.sync_scope(4, || tracing::info!(items = 3, "loaded"))));
    let expected = r#"{"level":"INFO","fields":{"message":"loaded","items":3},"request_id":"req-7","tenant":4}"#;
    assert_eq!(line.trim_end(), expected);
}

#[test]
fn with_nothing_bound_the_line_is_the_formatters_own() {
    let line = root(|| tracing::info!("loaded"));
    assert_eq!(line, "{\"level\":\"INFO\",\"fields\":{\"message\":\"loaded\"}}\n");
}

#[test]
fn nested_pairs_are_one_object() {
    let wrap = |builder: JsonBuilder| builder.map_event_format(|f| WithContext::new(f).nested("ctx"));
    let line = parse(&lines_with(wrap, || with_id(|| LEVEL.sync_scope(9, || tracing::info!("loaded")))));
    assert_eq!(line["ctx"], json!({"request_id": "req-7", "level": 9}));
    let line = parse(&lines_with(wrap, || tracing::info!("loaded")));
    assert_eq!(line.get("ctx"), None);
}

#[test]
fn the_nested_object_makes_room_for_a_field_of_its_name() {
    let wrap =
        |builder: JsonBuilder| builder.flatten_event(true).map_event_format(|f| WithContext::new(f).nested("ctx"));
    let line = parse(&lines_with(wrap, || with_id(|| tracing::info!(ctx = 1, "loaded"))));
    assert_eq!((&line["ctx"], &line["ctx.ctx"]["request_id"]), (&json!(1), &json!("req-7")));
}

#[test]
fn a_field_of_the_call_site_wins() {
    let line = root(|| with_id(|| tracing::info!(request_id = "mine", "loaded")));
    assert_eq!(times(&line, "request_id"), 1);
    assert_eq!(parse(&line)["fields"]["request_id"], "mine");
}

#[test]
fn a_flattened_field_of_the_call_site_wins() {
    let line = flat(|| with_id(|| tracing::info!(request_id = "mine", "loaded")));
    assert_eq!(times(&line, "request_id"), 1);
    assert_eq!(parse(&line)["request_id"], "mine");
}

#[test]
fn a_name_of_the_formatters_own_is_not_there_twice() {
    let line = flat(|| LEVEL.sync_scope(9, || MESSAGE.sync_scope(1, || tracing::info!("loaded"))));
    assert_eq!((times(&line, "level"), times(&line, "message")), (1, 1));
    let line = parse(&line);
    assert_eq!((&line["level"], &line["message"]), (&json!("INFO"), &json!("loaded")));
    assert_eq!((&line["ctx.level"], &line["ctx.message"]), (&json!(9), &json!(1)));
}

#[test]
fn every_key_that_a_stock_formatter_writes_is_known_as_its_own() {
    macro_rules! with_all {
        ($line:ident = $log:expr; $($name:literal)*) => {
            let keys = [$(Local::<u32>::new().named($name)),*];
            keys.iter().for_each(|key| drop(key.set(1)));
            let $line = $log;
            keys.iter().for_each(|key| drop(key.remove()));
            $(assert!($line.contains(concat!("\"ctx.", $name, "\":1")), "{}", $line);)*
        };
    }
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_file(true)
        .with_line_number(true)
        .with_thread_ids(true)
        .with_thread_names(true)
        .with_writer(lines.clone())
        .map_event_format(WithContext::new)
        .finish();
    with_all!(line = {
        with_default(subscriber, || tracing::info_span!("s").in_scope(|| tracing::info!("loaded")));
        lines.text()
    }; "timestamp" "level" "fields" "message" "target" "filename" "line_number" "span" "spans" "threadName" "threadId");
    let Value::Object(members) = parse(&line) else { panic!("an object: {line}") };
    let own = members.keys().filter(|key| !key.starts_with("ctx."));
    own.for_each(|key| assert!(members.contains_key(&format!("ctx.{key}")), "unknown to the wrapper: {key}"));
    members.keys().filter(|key| *key != "message").for_each(|key| assert_eq!(times(&line, key), 1, "{line}"));
}

#[test]
fn a_reserved_name_gets_the_prefix_too() {
    let wrap = |builder: JsonBuilder| builder.map_event_format(|f| WithContext::new(f).reserve(&["tenant"]));
    let line = parse(&lines_with(wrap, || TENANT.sync_scope(4, || tracing::info!("loaded"))));
    assert_eq!((line.get("tenant"), &line["ctx.tenant"]), (None, &json!(4)));
}

#[test]
fn nested_spans_are_shown_as_ever() {
    let line = parse(&root(|| {
        with_id(|| {
            let outer = tracing::info_span!("outer", tenant = "of the span");
            let _outer = outer.enter();
            tracing::info_span!("inner", step = 2).in_scope(|| tracing::info!("loaded"));
        })
    }));
    assert_eq!(line["spans"], json!([{"name": "outer", "tenant": "of the span"}, {"name": "inner", "step": 2}]));
    assert_eq!(line["request_id"], "req-7");
}

#[test]
fn a_filter_that_drops_the_span_does_not_drop_the_ambient_id() {
    let lines = Lines::default();
    let subscriber = lines.builder().json().with_env_filter("info").map_event_format(WithContext::new).finish();
    with_default(subscriber, || {
        with_id(|| {
            tracing::debug_span!("request", request_id = "of the span").in_scope(|| tracing::info!("loaded"));
        });
    });
    let line = parse(&lines.text());
    assert_eq!((line.get("span"), &line["request_id"]), (None, &json!("req-7")));
}

#[test]
fn lines_about_spans_have_the_pairs_too() {
    let wrap = |builder: JsonBuilder| builder.with_span_events(FmtSpan::FULL).map_event_format(WithContext::new);
    let text = lines_with(wrap, || with_id(|| tracing::info_span!("work").in_scope(|| ())));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line["request_id"] == "req-7"), "{text}");
}

#[test]
fn values_keep_their_types() {
    static SIGNED: Local<i64> = Local::new().named("signed");
    static BIG: Local<u64> = Local::new().named("big");
    static FLOAT: Local<f64> = Local::new().named("float");
    static NAN: Local<f64> = Local::new().named("nan");
    static TRUTH: Local<bool> = Local::new().named("truth");
    static LIST: Local<Vec<u8>> = Local::new().named("list");
    let scopes = routines::Bindings::new()
        .with(&SIGNED, -1)
        .with(&BIG, u64::MAX)
        .with(&FLOAT, 0.5)
        .with(&NAN, f64::NAN)
        .with(&TRUTH, true)
        .with(&LIST, vec![1, 2]);
    let line = parse(&root(|| scopes.sync_scope(|| tracing::info!("loaded"))));
    assert_eq!((&line["signed"], &line["big"], &line["float"]), (&json!(-1), &json!(u64::MAX), &json!(0.5)));
    assert_eq!((&line["nan"], &line["truth"], &line["list"]), (&json!("NaN"), &json!(true), &json!("[1, 2]")));
}

/// A formatter of one's own: writes a fixed text.
struct Fixed(&'static str);

impl<S, N> FormatEvent<S, N> for Fixed
where
    S: tracing::Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, _: &tracing::Event<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

#[test]
fn a_formatter_of_ones_own_gets_the_pairs_into_its_object() {
    let fixed = |text| {
        let wrap = |builder: JsonBuilder| builder.event_format(WithContext::json(Fixed(text)));
        lines_with(wrap, || with_id(|| tracing::info!("loaded")))
    };
    assert_eq!(fixed("{}\n"), "{\"request_id\":\"req-7\"}\n");
    assert_eq!(fixed(" { \"a\": {} } \r\n"), " { \"a\": {} ,\"request_id\":\"req-7\"} \r\n");
    assert_eq!(fixed("not an object\n"), "not an object\n");
    assert_eq!(fixed(""), "");
}
