//! The dump: it agrees with `id()` and `all()`, survives any name and value, and its parser survives any text.

use std::time::Duration;

use proptest::prelude::*;
use routines::{Dump, Kind, Local, NamedValue, RoutineBuilder, State, dump, thread};

use crate::support::{elsewhere, poll_once, yield_now};

#[test]
fn the_dumps_text_agrees_with_id_and_all() {
    static TEXT: Local<String> = Local::new().named("text of dump");
    static NUMBER: Local<i64> = Local::new().named("number of dump");
    let mut idle = Box::pin(RoutineBuilder::new(Kind::Task).name("idle of dump").future(yield_now()));
    elsewhere(|| assert!(poll_once(idle.as_mut()).is_pending()));
    TEXT.sync_scope("a \"b\": {c}, [d]\n".into(), || {
        NUMBER.sync_scope(-3, || {
            let text = dump().to_string();
            let read = Dump::parse(&text).expect("a dump can be read");
            let me = read.routines.iter().find(|r| r.id == routines::id()).expect("I am listed");
            assert_eq!(me.state, State::Running);
            assert_eq!(
                me.values,
                [
                    ("text of dump".into(), NamedValue::Str("a \"b\": {c}, [d]\n".into())),
                    ("number of dump".into(), NamedValue::I64(-3)),
                ]
            );
            let now = routines::current().info().expect("I live");
            assert_eq!(
                (me.parent, me.kind, &me.name, &me.spawned_at),
                (now.parent, now.kind, &now.name, &now.spawned_at)
            );
            let other = read.routines.iter().find(|r| r.name.as_deref() == Some("idle of dump")).expect("it lives");
            assert_eq!((other.state, other.polls, other.parent), (State::Idle, 1, Some(routines::id())));
        });
    });
}

#[test]
fn every_live_routine_is_in_the_dump_once() {
    let tasks: Vec<_> = (0..20).map(|_| RoutineBuilder::new(Kind::Task).future(async {})).collect();
    let read = Dump::parse(&dump().to_string()).expect("a dump can be read");
    for task in &tasks {
        assert_eq!(read.routines.iter().filter(|r| Some(r.id) == task.routine_id()).count(), 1);
    }
    let tree = dump().tree().to_string();
    let id = tasks[0].routine_id().expect("at once");
    assert!(
        tree.lines().any(|line| line.starts_with("  ") && line.trim_start().starts_with(&format!("routine {id} [")))
    );
}

#[test]
fn unnamed_values_are_never_shown() {
    static SECRET: Local<String> = Local::new();
    SECRET.sync_scope("hunter2 of dump".into(), || {
        let all = dump();
        assert!(!all.to_string().contains("hunter2 of dump") && !all.to_json().contains("hunter2 of dump"));
        assert!(!format!("{all:?} {SECRET:?} {:?}", routines::Snapshot::capture()).contains("hunter2 of dump"));
    });
}

#[test]
fn numbers_that_json_does_not_know_are_shown_as_text() {
    static KEY: Local<f64> = Local::new().named("float of dump");
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, 0.1] {
        KEY.sync_scope(value, || {
            let text = dump().to_string();
            let read = Dump::parse(&text).expect("a dump can be read");
            assert!(read.routines.iter().any(|r| r.id == routines::id() && r.values.len() == 1));
            assert!(Dump::from_json(&dump().to_json()).is_ok());
        });
    }
}

#[test]
fn a_dump_while_routines_come_and_go_can_always_be_read() {
    static KEY: Local<String> = Local::new().named("churn of dump");
    let rounds = if cfg!(miri) { 3 } else { 200 };
    thread::scope(|s| {
        s.spawn(move || (0..rounds).for_each(|n| KEY.sync_scope(format!("\u{1b}[2J{n}"), || drop(KEY.get()))));
        for _ in 0..rounds / 3 {
            let read = Dump::parse(&dump().to_string()).expect("a dump can be read");
            assert!(read.routines.iter().any(|r| r.id == routines::id()));
        }
    });
}

// ===== hostile text =====

/// Strings made of what the format is made of.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        ": ",
        ", ",
        "}",
        "{",
        "}:",
        "]",
        "[",
        "\"",
        "\\",
        "\n",
        "\r",
        "\t",
        " ",
        "",
        "routine 1 [running]:",
        "created by ",
        " in routine ",
        " in routine 5",
        ", age 3s, 2 polls",
        "\u{0}",
        "\u{1b}[0m",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{fffd}",
        "é",
        "😀",
        "a",
        "1",
        "null",
        "true",
        "-0.0",
        "foreign-",
        "key",
        "= ",
    ]);
    prop_oneof![prop::collection::vec(pieces, 0..8).prop_map(|p| p.concat()), any::<String>()]
}

fn value() -> impl Strategy<Value = NamedValue> {
    prop_oneof![
        any::<bool>().prop_map(NamedValue::Bool),
        any::<u64>().prop_map(NamedValue::U64),
        (i64::MIN..0).prop_map(NamedValue::I64),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(NamedValue::F64),
        hostile().prop_map(NamedValue::Str),
    ]
}

#[derive(Debug, Clone)]
struct Hostile {
    name: Option<String>,
    spawned_at: Option<String>,
    parent: bool,
    values: Vec<(String, NamedValue)>,
    millis: (u64, Option<u64>),
    polls: u64,
}

fn routine() -> impl Strategy<Value = Hostile> {
    let millis = || 0..u64::MAX / 2;
    let strings = (prop::option::of(hostile()), prop::option::of(hostile()), any::<bool>());
    let values = prop::collection::vec((hostile(), value()), 0..4);
    (strings, values, (millis(), prop::option::of(millis())), any::<u64>()).prop_map(
        |((name, spawned_at, parent), values, millis, polls)| Hostile {
            name,
            spawned_at,
            parent,
            values,
            millis,
            polls,
        },
    )
}

fn dump_of(routines: &[Hostile]) -> Dump {
    let mut all = dump();
    let pattern = all.routines[0].clone();
    let make = |hostile: &Hostile| {
        let mut info = pattern.clone();
        info.parent = hostile.parent.then_some(pattern.id);
        info.name = hostile.name.clone();
        info.spawned_at = hostile.spawned_at.clone();
        info.values = hostile.values.clone();
        info.age = Duration::from_millis(hostile.millis.0);
        info.idle = hostile.millis.1.map(Duration::from_millis);
        info.polls = hostile.polls;
        info
    };
    all.routines = routines.iter().map(make).collect();
    all
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: if cfg!(miri) { 5 } else { 512 }, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_dumps_text_reads_back_to_the_same_text(routines in prop::collection::vec(routine(), 1..4)) {
        let text = dump_of(&routines).to_string();
        let read = Dump::parse(&text);
        if let Err(error) = &read {
            return Err(TestCaseError::fail(format!("{error}\n{text}")));
        }
        let read = read.expect("checked");
        prop_assert_eq!(read.to_string(), text);
        prop_assert_eq!(read.routines.len(), routines.len());
        for (read, was) in read.routines.iter().zip(&routines) {
            prop_assert_eq!(read.values.len(), was.values.len());
            prop_assert_eq!(read.parent.is_some(), was.parent);
        }
    }

    #[test]
    fn any_dumps_json_reads_back_to_the_same_dump(routines in prop::collection::vec(routine(), 0..4)) {
        let dump = dump_of(&routines);
        prop_assert_eq!(Dump::from_json(&dump.to_json()), Ok(dump));
    }

    #[test]
    fn arbitrary_text_is_read_or_refused_with_a_line_but_never_panics(text in hostile()) {
        let lines = text.lines().count().max(1);
        if let Err(error) = Dump::parse(&text) {
            prop_assert!((1..=lines).contains(&error.line()), "{error}");
            let line = format!("line {}", error.line());
            prop_assert!(error.to_string().contains(&line), "{}", error);
        }
        if let Err(error) = Dump::from_json(&text) {
            prop_assert!(error.line() >= 1, "{error}");
        }
    }

    #[test]
    fn a_mutated_dump_is_read_or_refused_with_a_line_but_never_panics(
        routines in prop::collection::vec(routine(), 1..3),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), hostile()), 1..4),
    ) {
        let dump = dump_of(&routines);
        for mut text in [dump.to_string(), dump.to_json()] {
            for (at, insert) in &cuts {
                let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
                let at = *at.get(&places);
                text.replace_range(at..at + text[at..].chars().next().map_or(0, char::len_utf8), insert);
                if text.is_empty() {
                    break;
                }
            }
            if let Err(error) = Dump::parse(&text) {
                prop_assert!((1..=text.lines().count().max(1)).contains(&error.line()), "{error}\n{text}");
            }
            if let Err(error) = Dump::from_json(&text) {
                prop_assert!(error.line() >= 1, "{error}\n{text}");
            }
            drop(dump.tree().to_string());
        }
    }
}

#[test]
fn the_line_of_an_error_is_the_line_that_is_wrong() {
    let good = "routine 1 [running]:\n\tthread, age 1s, 1 polls\n";
    for (text, line) in [
        ("nonsense".to_string(), 1),
        (format!("{good}\nroutine x [running]:\n\tthread, age 1s, 1 polls\n"), 4),
        (format!("{good}\nroutine 2 [running]:\n"), 4),
        (format!("{good}\nroutine 2 [running]:\n\tthread, age 1 fortnight, 1 polls\n"), 5),
        (format!("{good}created by x in routine y\n"), 3),
        (format!("{good}\nroutine 2 [running] {{a: }}:\n"), 4),
    ] {
        let error = Dump::parse(&text).expect_err(&text);
        assert_eq!(error.line(), line, "{text}: {error}");
    }
    assert!(Dump::parse("").is_ok_and(|dump| dump.routines.is_empty()));
}

#[test]
fn a_long_or_deeply_nested_text_is_refused_without_exhausting_anything() {
    let deep = format!("routine 1 [running] {{a: {}}}:\n\tthread, age 1s, 1 polls\n", "[".repeat(100_000));
    assert_eq!(Dump::parse(&deep).expect_err("not a value").line(), 1);
    let many = format!("routine 1 [running] {{{}", "a: 1, ".repeat(if cfg!(miri) { 100 } else { 50_000 }));
    assert_eq!(Dump::parse(&many).expect_err("no end").line(), 1);
    assert!(Dump::from_json(&"[".repeat(100_000)).is_err());
}

#[test]
fn a_tree_with_a_circle_in_it_ends() {
    let text = "routine 2 [idle]:\n\ttask, age 1s, 1 polls\ncreated in routine 3\n\n\
                routine 3 [idle]:\n\ttask, age 1s, 1 polls\ncreated in routine 2\n\n\
                routine 4 [idle]:\n\ttask, age 1s, 1 polls\ncreated in routine 4\n";
    let dump = Dump::parse(text).expect("each routine by itself is fine");
    let tree = dump.tree().to_string();
    assert!(tree.contains("routine 4 ["), "{tree}");
    for id in [2, 3] {
        assert!(tree.contains(&format!("routine {id} [")), "routine {id} is missing:\n{tree}");
    }
}

#[test]
fn a_tree_deeper_than_any_line_is_written_all_the_same() {
    let mut text = "routine 1 [running]:\n\tthread, age 1s, 1 polls\n".to_owned();
    for id in 2..40_000 {
        text +=
            &format!("\nroutine {id} [running]:\n\tthread, age 1s, 1 polls\ncreated by a.rs:1 in routine {}\n", id - 1);
    }
    let tree = Dump::parse(&text).expect("a dump can be read").tree().to_string();
    assert_eq!(tree.lines().count(), 39_999);
    assert!(tree.len() < 40_000 * 500, "{}", tree.len());
}
