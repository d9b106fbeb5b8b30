//! What is drawn, and that the documentation shows just that.

use routines_cli::client::Fault;
use routines_cli::model::Model;
use routines_cli::query::{Query, Shape};
use serde_json::{Value, json};

use crate::support::{model, page, press, routine, screen};

/// A shop with two requests, one of which waits for a database.
fn shop(query: &Query) -> Value {
    let mut rows = vec![
        routine(1, None, "thread", Some("main"), json!({})),
        routine(65, Some(1), "task", Some("accept"), json!({})),
        routine(
            66,
            Some(65),
            "task",
            None,
            json!({"request_id": "req-7", "tenant": "acme", "deadline": "1.204s left"}),
        ),
        routine(
            67,
            Some(66),
            "job",
            Some("price"),
            json!({"request_id": "req-7", "tenant": "acme", "deadline": "1.204s left"}),
        ),
        routine(
            68,
            Some(65),
            "task",
            None,
            json!({"request_id": "req-8", "tenant": "zeta", "card": "[redacted]", "deadline": "cancelled: deadline exceeded"}),
        ),
    ];
    for (row, place, children, polls) in [
        (0, Value::Null, 1, 1),
        (1, "storefront/src/serve.rs:88".into(), 2, 1_204),
        (2, "storefront/src/serve.rs:104".into(), 1, 3),
        (3, "storefront/src/prices.rs:31".into(), 0, 1),
        (4, "storefront/src/serve.rs:104".into(), 0, 123_456),
    ] {
        rows[row]["spawned_at"] = place;
        rows[row]["children"] = children.into();
        rows[row]["polls"] = polls.into();
    }
    rows[0]["state"] = "running".into();
    rows[0]["idle_ms"] = Value::Null;
    rows[0]["busy_us"] = Value::Null;
    rows[3]["state"] = "running".into();
    rows[3]["idle_ms"] = Value::Null;
    let level = |row: &Value| match (query.shape, query.parent) {
        (Shape::Tree, parent) => row["parent"].as_u64() == parent,
        _ => row.to_string().contains(&query.q.replace('=', "\":\"")),
    };
    let mut answer = page(rows.into_iter().filter(level).collect());
    answer["total"] = 5.into();
    answer["groups"] = json!([
        {"count": 2, "kind": "task", "spawned_at": "storefront/src/serve.rs:104", "states": {"idle": 2}, "oldest_ms": 65_000,
            "polls": 123_459, "busy_us": 2_468, "values": {"tenant": {"distinct": 2, "commonest": [["acme", 1], ["zeta", 1]]}}},
        {"count": 1, "kind": "thread", "spawned_at": null, "states": {"running": 1}, "oldest_ms": 65_000, "polls": 1,
            "busy_us": null, "values": {}},
    ]);
    answer
}

fn shown(keys: &str, width: u16, height: u16) -> String {
    let mut model = model(shop);
    press(&mut model, keys, &mut shop);
    screen(&mut model, width, height)
}

/// The documentation shows what is drawn; `---` on a line of its own parts one screen from the next.
#[track_caller]
fn documented(screen: &str) {
    let docs = include_str!("../../../../docs/routines-top.md");
    let drawn = screen.trim_end();
    assert!(docs.contains(drawn), "docs/routines-top.md does not show this:\n{drawn}\n");
}

#[test]
fn the_documentation_shows_the_tree_that_is_drawn() {
    documented(&shown("2→j→j→", 110, 10));
}

#[test]
fn the_documentation_shows_the_table_of_80_by_24_that_is_drawn() {
    documented(&shown("/tenant=acme⏎⏎", 80, 24));
}

#[test]
fn the_documentation_shows_the_groups_that_are_drawn() {
    documented(&shown("3", 110, 6));
}

#[test]
fn every_column_of_the_table_starts_below_its_title_or_ends_there() {
    let screen = shown("1", 140, 12);
    let lines: Vec<Vec<char>> = screen.lines().map(|line| line.chars().collect()).collect();
    let (titles, row) = (&lines[1], &lines[4]);
    let at = |line: &[char], text: &str| {
        let text: Vec<char> = text.chars().collect();
        line.windows(text.len()).position(|window| window == text).unwrap_or_else(|| panic!("no {text:?} in\n{screen}"))
    };
    for (title, cell) in
        [("Kind", "task"), ("State", "idle"), ("values", "request_id=req-7"), ("Location", "storefront/")]
    {
        assert_eq!(at(titles, title), at(row, cell), "{title}\n{screen}");
    }
    for (title, cell) in [("Age", "1m"), ("iDle", "3s"), ("Polls", "3"), ("Busy", "1.2ms"), ("deadline", "1.204s")] {
        let end = at(titles, title) + title.chars().count();
        let cell_end = end - cell.chars().count();
        assert_eq!(row[cell_end..end].iter().collect::<String>(), cell, "{title}\n{screen}");
    }
}

#[test]
fn eighty_columns_show_who_does_what_for_whom() {
    let screen = shown("1", 80, 24);
    for wanted in
        ["Id", "Kind", "Name", "State", "Age", "Busy", "deadline", "values", "request_id=req-7", "1.204s", "cancelled"]
    {
        assert!(screen.contains(wanted), "no {wanted} in\n{screen}");
    }
    assert!(shown("1→→→→→→→→", 80, 24).contains("storefront/src/serve.rs:104"), "the rest is one key to the right");
}

#[test]
fn a_screen_of_any_size_is_drawn() {
    for (width, height) in [(1, 1), (2, 3), (3, 50), (20, 5), (80, 4), (500, 3), (300, 200)] {
        for keys in ["1", "2→j→", "3", "1⏎", "?", "/x", "1→→→→→→→→→→→→"] {
            shown(keys, width, height);
        }
    }
}

#[test]
fn wide_characters_do_not_move_what_stands_to_their_right() {
    let name = |name: &str| {
        let row = routine(5, None, "task", Some(name), json!({"a": 1}));
        let mut model = model(move |_| page(vec![row.clone()]));
        let screen = screen(&mut model, 80, 5);
        screen.lines().nth(2).unwrap().to_owned()
    };
    let plain = name("abc");
    for (long, wide) in [(true, "日本語の長い名前です"), (true, "🦀🦀🦀🦀🦀🦀🦀🦀"), (false, "e\u{301}e\u{301}")]
    {
        let wide = name(wide);
        assert_eq!(wide.contains('…'), long, "what is cut has a mark: {wide}");
        let end = |line: &str| line[line.find("idle").unwrap()..].to_owned();
        assert_eq!(end(&wide), end(&plain), "{wide}");
    }
}

#[test]
fn a_hundred_thousand_routines_cost_a_page() {
    let all = |query: &Query| {
        let skip = query.page * query.per_page;
        let rows = (skip..skip + query.per_page).map(|id| routine(id + 1, None, "task", None, json!({})));
        let mut all = page(rows.collect());
        all["total"] = 100_000.into();
        all["matching"] = 100_000.into();
        all
    };
    let mut model = model(all);
    press(&mut model, "⇲", &mut { all });
    let screen = screen(&mut model, 80, 24);
    assert!(screen.contains("100 000 live  page 1000/1000"), "{screen}");
    assert!(screen.contains("\n100000 task"), "{screen}");
    assert_eq!(model.answer.lines.len(), 100);
}

#[test]
fn the_head_tells_of_pause_and_the_foot_of_faults() {
    let mut model = model(shop);
    press(&mut model, " ", &mut shop);
    assert!(screen(&mut model, 80, 24).contains("PAUSED"));
    let ask = model.ask();
    let _ = model.answered(&ask, Err(Fault::new("cannot reach 127.0.0.1:9000: gone")));
    let foot = screen(&mut model, 80, 24).lines().last().unwrap().to_owned();
    assert_eq!(foot, "cannot reach 127.0.0.1:9000: gone");
}

#[test]
fn the_line_of_keys_fits_eighty_columns() {
    let foot = screen(&mut Model::new("x".into()), 80, 24).lines().last().unwrap().to_owned();
    assert!(foot.ends_with("q quit"), "{foot}");
}
