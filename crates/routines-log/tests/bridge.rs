//! Lines of the `log` crate that reach a `tracing` formatter over `tracing-log`'s bridge.

mod support;

use routines::Local;
use routines_log::tracing::WithContext;
use support::Lines;
use tracing::subscriber::with_default;
use tracing_log::LogTracer;

static ID: Local<String> = Local::new().named("request_id");

fn bridge() -> LogTracer {
    log::set_max_level(log::LevelFilter::Trace);
    LogTracer::new()
}

#[test]
fn a_record_over_the_bridge_has_the_pairs_once() {
    let lines = Lines::default();
    let subscriber = lines.builder().map_event_format(WithContext::new).finish();
    // Wrapped on both sides, as by an application that cannot tell which way its libraries log.
    let logger = routines_log::log::WithContext::new(bridge());
    with_default(subscriber, || ID.sync_scope("req-7".into(), || log::info!(logger: logger, "loaded")));
    assert_eq!(lines.text(), "request_id=\"req-7\"  INFO loaded\n");
}

#[test]
fn a_flattened_field_of_the_bridge_wins() {
    static TARGET: Local<u32> = Local::new().named("log.target");
    let logger = bridge();
    let lines = Lines::default();
    let subscriber = lines.builder().json().flatten_event(true).map_event_format(WithContext::new).finish();
    with_default(subscriber, || TARGET.sync_scope(1, || log::info!(logger: logger, target: "there", "loaded")));
    let text = lines.text();
    assert_eq!(text.matches("\"log.target\":").count(), 1, "{text}");
    assert!(text.contains("\"log.target\":\"there\""), "{text}");
}
