//! Lines from a panic hook. Owns the process's hook.

mod support;

use std::fmt;
use std::panic::{catch_unwind, set_hook};
use std::sync::Once;

use routines::Local;
use routines_log::tracing::WithContext;
use support::Lines;
use tracing::subscriber::with_default;

static ID: Local<String> = Local::new().named("request_id");
static TENANT: Local<Tenant> = Local::new().named_display("tenant");

struct Tenant(u32);

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t-{}", self.0)
    }
}

fn log_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        set_hook(Box::new(|info| tracing::error!("{}", info.payload_as_str().unwrap_or("a panic"))));
    });
}

/// The lines that `f`, which panics, leaves behind.
fn panicking(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    log_panics();
    let lines = Lines::default();
    let subscriber = lines.builder().map_event_format(WithContext::new).finish();
    with_default(subscriber, || assert!(catch_unwind(f).is_err()));
    lines.text()
}

#[test]
fn a_panic_hook_sees_the_values_bound_where_the_panic_is() {
    let text = panicking(|| ID.sync_scope("req-7".into(), || TENANT.sync_scope(Tenant(4), || panic!("boom"))));
    assert_eq!(text, "request_id=\"req-7\" tenant=t-4 ERROR boom\n");
}

#[test]
fn a_panic_hook_sees_the_values_of_the_routine_that_panics() {
    log_panics();
    let lines = Lines::default();
    let subscriber = lines.builder().json().map_event_format(WithContext::new).finish();
    let dispatch = tracing::Dispatch::new(subscriber);
    let work = move || tracing::dispatcher::with_default(&dispatch, || panic!("boom"));
    let outcome = ID.sync_scope("req-7".into(), || routines::thread::spawn(work)).join();
    assert!(outcome.is_err());
    assert!(lines.text().ends_with("\"request_id\":\"req-7\"}\n"), "{}", lines.text());
}

#[test]
fn a_drop_during_unwinding_can_log() {
    struct LogsInDrop;
    impl Drop for LogsInDrop {
        fn drop(&mut self) {
            tracing::info!("unwinding");
        }
    }
    let text = panicking(|| {
        ID.sync_scope("req-7".into(), || {
            let _last = LogsInDrop;
            panic!("boom")
        })
    });
    assert_eq!(text, "request_id=\"req-7\" ERROR boom\nrequest_id=\"req-7\"  INFO unwinding\n");
}

#[test]
fn a_panic_inside_a_values_debug_is_logged_without_that_value() {
    struct Broken;
    impl fmt::Debug for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("a broken Debug")
        }
    }
    static BROKEN: Local<Broken> = Local::new().named("broken");
    log_panics();
    let lines = Lines::default();
    let subscriber = lines.builder().map_event_format(WithContext::new).finish();
    let dispatch = tracing::Dispatch::new(subscriber);
    tracing::dispatcher::with_default(&dispatch, || {
        ID.sync_scope("req-7".into(), || BROKEN.sync_scope(Broken, || tracing::info!("survives")));
    });
    // A scoped subscriber takes no line from inside another, so the hook's own line is not among them.
    assert_eq!(lines.text(), "request_id=\"req-7\" broken=<unprintable>  INFO survives\n");
}
