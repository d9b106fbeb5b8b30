//! What dumps show of a routine's deadline and cancellation, and that log lines do not.

use std::time::Duration;

use routines::NamedValue;
use routines_cancel::Token;

fn shown() -> Option<String> {
    let values = routines::current().info().expect("a thread is listed").values;
    values.into_iter().find(|(name, _)| name == "deadline").map(|(_, value)| match value {
        NamedValue::Str(text) => text,
        other => format!("{other:?}"),
    })
}

#[test]
fn a_dump_shows_the_time_left_and_then_why_it_was_cancelled() {
    assert_eq!(shown(), None);
    let token = Token::new().child();
    token.sync_scope(|| {
        assert_eq!(shown().as_deref(), Some("none"));
        let hour = routines_cancel::with_timeout(Duration::from_secs(3600));
        hour.sync_scope(|| {
            let left = shown().expect("it has a deadline");
            assert!(left.starts_with("3599.") || left == "3600.000s left", "{left}");
            token.cancel_with("the printer burns");
            assert_eq!(shown().as_deref(), Some("cancelled: the printer burns"));
        });
    });
    assert_eq!(shown(), None);
}

#[test]
fn log_lines_do_not_carry_the_time_left() {
    Token::new().sync_scope(|| routines::for_each_named(|name, _| panic!("{name}")));
}
