//! What a logger of the `log` crate is handed.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use log::kv::{self, Key, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use routines::{Bindings, Local};
use routines_log::log::WithContext;

static ID: Local<String> = Local::new().named("request_id");
static TENANT: Local<u32> = Local::new().named("tenant");
static SECRET: Local<String> = Local::new();

/// Keeps each record as its message and its key-values with their types; enabled from `Info` on.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<String>>>);

impl Log for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        let mut line = record.args().to_string();
        record.key_values().visit(&mut Typed(&mut line)).unwrap();
        self.0.lock().unwrap().push(line);
    }

    fn flush(&self) {
        self.0.lock().unwrap().push("flushed".into());
    }
}

struct Typed<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Typed<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let kind = match () {
            () if value.to_borrowed_str().is_some() => "str",
            () if value.to_bool().is_some() => "bool",
            () if value.to_u64().is_some() => "u64",
            () if value.to_i64().is_some() => "i64",
            () if value.to_f64().is_some() => "f64",
            () => "other",
        };
        self.0.push_str(&format!(" {key}:{kind}={value}"));
        Ok(())
    }
}

/// What reaches the logger.
fn captured(log: impl FnOnce(&WithContext<Capture>)) -> Vec<String> {
    log::set_max_level(LevelFilter::Trace);
    let capture = Capture::default();
    log(&WithContext::new(capture.clone()));
    capture.0.lock().unwrap().clone()
}

#[test]
fn the_ambient_values_come_after_the_records_own() {
    let lines = captured(|logger| {
        ID.sync_scope("req-7".into(), || TENANT.sync_scope(4, || log::info!(logger: logger, items = 3; "loaded")));
    });
    assert_eq!(lines, ["loaded items:u64=3 request_id:str=req-7 tenant:u64=4"]);
}

#[test]
fn a_key_value_of_the_call_site_wins() {
    let lines = captured(|logger| {
        ID.sync_scope("req-7".into(), || log::info!(logger: logger, request_id = "mine"; "loaded"));
    });
    assert_eq!(lines, ["loaded request_id:str=mine"]);
}

#[test]
fn values_keep_their_types_and_anything_else_is_text() {
    #[derive(Debug)]
    struct Cart {
        #[expect(dead_code, reason = "read by Debug")]
        items: u8,
    }
    static SIGNED: Local<i64> = Local::new().named("signed");
    static FLOAT: Local<f64> = Local::new().named("float");
    static TRUTH: Local<bool> = Local::new().named("truth");
    static CART: Local<Cart> = Local::new().named("cart");
    let bindings =
        Bindings::new().with(&SIGNED, -1).with(&FLOAT, 0.5).with(&TRUTH, true).with(&CART, Cart { items: 2 });
    let lines = captured(|logger| bindings.sync_scope(|| log::info!(logger: logger, "x")));
    for pair in ["signed:i64=-1", "float:f64=0.5", "truth:bool=true", "cart:str=Cart { items: 2 }"] {
        assert!(lines[0].contains(pair), "{lines:?}");
    }
}

#[test]
fn an_unnamed_key_never_appears() {
    let lines = captured(|logger| SECRET.sync_scope("hunter2".into(), || log::info!(logger: logger, "loaded")));
    assert_eq!(lines, ["loaded"]);
}

#[test]
fn a_record_the_logger_is_not_enabled_for_is_handed_on_untouched() {
    let lines = captured(|logger| ID.sync_scope("req-7".into(), || log::debug!(logger: logger, "loaded")));
    assert_eq!(lines, ["loaded"]);
}

#[test]
fn the_rest_of_the_record_and_flush_go_through() {
    struct Whole;
    impl Log for Whole {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &Record<'_>) {
            assert_eq!((record.target(), record.level()), ("there", Level::Warn));
            assert_eq!((record.module_path(), record.line().is_some()), (Some(module_path!()), true));
            assert_eq!(record.key_values().count(), 1);
        }
        fn flush(&self) {}
    }
    log::set_max_level(LevelFilter::Trace);
    let logger = WithContext::new(Whole);
    ID.sync_scope("req-7".into(), || log::warn!(logger: logger, target: "there", "loaded"));
    assert_eq!(captured(|logger| logger.flush()), ["flushed"]);
}

#[test]
fn a_debug_that_logs_again_ends_and_leaves_itself_out_of_its_own_line() {
    struct Chatty(Capture);
    impl fmt::Debug for Chatty {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            log::info!(logger: WithContext::new(self.0.clone()), "from Debug");
            f.write_str("chatty")
        }
    }
    static CHATTY: Local<Chatty> = Local::new().named("chatty");
    log::set_max_level(LevelFilter::Trace);
    let capture = Capture::default();
    let logger = WithContext::new(capture.clone());
    ID.sync_scope("req-7".into(), || {
        CHATTY.sync_scope(Chatty(capture.clone()), || log::info!(logger: logger, "outer"))
    });
    let lines = capture.0.lock().unwrap().clone();
    assert_eq!(lines[0], "from Debug request_id:str=req-7");
    assert!(lines[1].starts_with("outer ") && lines[1].contains(" chatty:str=chatty"), "{lines:?}");
}

#[test]
fn env_logger_prints_the_pairs_behind_the_message() {
    struct Pipe(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    log::set_max_level(LevelFilter::Trace);
    let bytes = Arc::<Mutex<Vec<u8>>>::default();
    let logger = env_logger::Builder::new()
        .filter_level(LevelFilter::Info)
        .format_timestamp(None)
        .target(env_logger::Target::Pipe(Box::new(Pipe(bytes.clone()))))
        .build();
    let logger = WithContext::new(logger);
    ID.sync_scope("req-7".into(), || log::info!(logger: logger, items = 3; "loaded"));
    ID.sync_scope("req-7".into(), || log::debug!(logger: logger, "dropped"));
    let text = String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
    assert_eq!(text, "[INFO  log] loaded items=3 request_id=req-7\n");
}
