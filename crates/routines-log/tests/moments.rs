//! Lines from awkward moments: thread exit, a value's `Drop`, a value's `Debug`. Owns the process's subscriber, because a
//! scoped one takes no lines from inside another line or from a thread that is ending.

mod support;

use std::cell::RefCell;
use std::fmt;
use std::sync::OnceLock;

use routines::Local;
use routines_log::tracing::WithContext;
use support::Lines;
use tracing_subscriber::layer::SubscriberExt;

static ID: Local<String> = Local::new().named("request_id");

/// Lines in text and in JSON, both from each event.
fn lines() -> &'static [Lines; 2] {
    static LINES: OnceLock<[Lines; 2]> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = [Lines::default(), Lines::default()];
        let builder = lines[0].builder().map_event_format(WithContext::new);
        let json = tracing_subscriber::fmt::layer().json().without_time().with_target(false);
        let subscriber = builder.finish().with(json.map_event_format(WithContext::new).with_writer(lines[1].clone()));
        tracing::subscriber::set_global_default(subscriber).expect("the only one");
        lines
    })
}

fn with_id<R>(f: impl FnOnce() -> R) -> R {
    ID.sync_scope("req-7".into(), f)
}

/// Logs when dropped.
#[derive(Debug)]
struct LogsLast(&'static str);

impl Drop for LogsLast {
    fn drop(&mut self) {
        tracing::info!("{}", self.0);
    }
}

thread_local! {
    static LAST: RefCell<Option<LogsLast>> = const { RefCell::new(None) };
}

#[test]
fn a_thread_locals_destructor_can_log() {
    let [text, json] = lines();
    let park = |last| move || LAST.set(Some(LogsLast(last)));
    with_id(|| routines::thread::spawn(park("last words of a routine"))).join().unwrap();
    std::thread::spawn(park("last words of a thread")).join().unwrap();
    for last in ["last words of a routine", "last words of a thread"] {
        assert_eq!(text.with(last), [format!(" INFO {last}")]);
        assert_eq!(json.with(last).len(), 1);
    }
}

#[test]
fn a_thread_that_dies_with_values_set_can_log_from_its_destructors() {
    let [text, json] = lines();
    let before = || {
        LAST.set(Some(LogsLast("set, parked, gone")));
        ID.set("of a dying thread".into());
    };
    let after = || {
        ID.set("of a dying thread".into());
        LAST.set(Some(LogsLast("set, parked, gone")));
    };
    std::thread::spawn(before).join().unwrap();
    std::thread::spawn(after).join().unwrap();
    assert_eq!((text.with("set, parked, gone").len(), json.with("set, parked, gone").len()), (2, 2));
}

#[test]
fn a_values_drop_can_log() {
    static DROPS: Local<LogsLast> = Local::new().named("drops");
    let [text, _] = lines();
    with_id(|| DROPS.sync_scope(LogsLast("end of a scope"), || ()));
    with_id(|| {
        DROPS.set(LogsLast("end of a set"));
        DROPS.remove();
    });
    assert_eq!(text.with("end of a scope"), ["request_id=\"req-7\"  INFO end of a scope"]);
    assert_eq!(text.with("end of a set"), ["request_id=\"req-7\"  INFO end of a set"]);
}

#[test]
fn a_debug_that_logs_again_ends_and_leaves_itself_out_of_its_own_line() {
    struct Chatty;
    impl fmt::Debug for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            tracing::info!("from inside Debug");
            f.write_str("chatty")
        }
    }
    static CHATTY: Local<Chatty> = Local::new().named("chatty");
    let [text, json] = lines();
    with_id(|| CHATTY.sync_scope(Chatty, || tracing::info!("around a Debug")));
    assert_eq!(text.with("around a Debug"), ["request_id=\"req-7\" chatty=chatty  INFO around a Debug"]);
    // One for each of the two layers.
    assert_eq!(text.with("from inside Debug"), ["request_id=\"req-7\"  INFO from inside Debug"; 2]);
    assert!(json.with("around a Debug")[0].ends_with("\"request_id\":\"req-7\",\"chatty\":\"chatty\"}"));
}

#[test]
fn a_field_that_logs_again_leaves_both_lines_whole() {
    struct Loud;
    impl fmt::Debug for Loud {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            tracing::info!("from inside a field");
            f.write_str("loud")
        }
    }
    let [text, json] = lines();
    with_id(|| tracing::info!(loud = ?Loud, "around a field"));
    assert_eq!(text.with("around a field"), ["request_id=\"req-7\"  INFO around a field loud=loud"]);
    let all = [json.with("around a field"), json.with("from inside a field")].concat();
    assert_eq!(all.len(), 3);
    all.iter().for_each(|line| assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}"));
}

#[test]
fn a_debug_that_panics_or_fails_does_not_cost_the_line() {
    struct Broken(bool);
    impl fmt::Debug for Broken {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            if self.0 { panic!("a broken Debug") } else { Err(fmt::Error) }
        }
    }
    static BROKEN: Local<Broken> = Local::new().named("broken");
    let [text, json] = lines();
    for (panics, line) in [(true, "beside a panic"), (false, "beside an error")] {
        BROKEN.sync_scope(Broken(panics), || tracing::info!("{line}"));
        assert_eq!(text.with(line), [format!("broken=<unprintable>  INFO {line}")]);
        assert!(json.with(line)[0].ends_with("\"broken\":\"<unprintable>\"}"));
    }
    // The thread is not left in the state of formatting a value.
    BROKEN.sync_scope(Broken(false), || tracing::info!("once more"));
    assert_eq!(text.with("once more").len(), 1);
    assert!(text.with("once more")[0].starts_with("broken="));
}
