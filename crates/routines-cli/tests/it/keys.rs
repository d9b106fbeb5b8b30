//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use routines_cli::client::Fault;
use routines_cli::fetch::{Line, MOST_OPEN};
use routines_cli::model::{Model, Step};
use routines_cli::query::{Query, Shape, Sort};
use serde_json::{Value, json};

use crate::support::{model, page, parsed, press, routine};

/// 1050 tasks below routine 1, in pages.
fn many(query: &Query) -> Value {
    let ids: Vec<u64> = match (query.shape, query.parent) {
        (Shape::Tree, None) => vec![1],
        (Shape::Tree, Some(1)) | (Shape::Routines, _) => (2..1_052).collect(),
        _ => Vec::new(),
    };
    let skip = usize::try_from(query.page * query.per_page).unwrap();
    let shown = ids.iter().skip(skip).take(usize::try_from(query.per_page).unwrap());
    let mut answer = page(shown.map(|id| routine(*id, None, "task", None, json!({}))).collect());
    answer["matching"] = ids.len().into();
    if query.shape == Shape::Tree && query.parent.is_none() {
        answer["routines"][0]["children"] = 1_050.into();
    }
    answer
}

fn selected(model: &Model) -> u64 {
    match &model.answer.lines[model.selected] {
        Line::Routine { row, .. } => row.info.id.as_u64(),
        other => panic!("{other:?} is no routine"),
    }
}

#[test]
fn a_filter_is_asked_for_at_enter_and_escape_clears_it() {
    let mut model = model(many);
    let mut asked = Vec::new();
    let mut service = |query: &Query| {
        asked.push(query.q.clone());
        many(query)
    };
    assert_eq!(press(&mut model, "/tenant=acmee⌫", &mut service), Step::Draw);
    assert_eq!(model.query.q, "", "it is not asked for while it is typed");
    press(&mut model, "⏎", &mut service);
    press(&mut model, "/x⎋", &mut service);
    assert_eq!(model.query.q, "tenant=acme", "escape while typing keeps the old one");
    press(&mut model, "⎋", &mut service);
    assert_eq!(asked, ["tenant=acme", ""]);
}

#[test]
fn no_filter_is_longer_than_its_limit() {
    let mut model = model(many);
    press(&mut model, &format!("/{}⏎", "x".repeat(5_000)), &mut many);
    assert_eq!(model.query.q.len(), 200);
}

#[test]
fn a_capital_sorts_by_its_column_the_largest_first_where_that_is_what_is_looked_for() {
    let mut model = model(many);
    press(&mut model, "B", &mut many);
    assert_eq!((model.query.sort, model.query.desc), (Sort::Busy, true));
    press(&mut model, "B", &mut many);
    assert_eq!((model.query.sort, model.query.desc), (Sort::Busy, false));
    press(&mut model, "N", &mut many);
    assert_eq!((model.query.sort, model.query.desc), (Sort::Name, false));
    press(&mut model, "r", &mut many);
    assert_eq!((model.query.sort, model.query.desc), (Sort::Name, true));
}

#[test]
fn moving_past_the_end_of_a_page_turns_it_and_back() {
    let mut model = model(many);
    press(&mut model, &"↓".repeat(99), &mut many);
    assert_eq!((model.query.page, selected(&model)), (0, 101));
    press(&mut model, "j", &mut many);
    assert_eq!((model.query.page, selected(&model)), (1, 102));
    press(&mut model, "k", &mut many);
    assert_eq!((model.query.page, selected(&model)), (0, 101));
    press(&mut model, "⇲", &mut many);
    assert_eq!((model.query.page, selected(&model)), (10, 1_051));
    assert_eq!(press(&mut model, "↓n", &mut many), Step::Draw, "there is nothing after the last page");
    press(&mut model, "⇱", &mut many);
    assert_eq!((model.query.page, selected(&model)), (0, 2));
    assert_eq!(press(&mut model, "↑p", &mut many), Step::Draw, "nor before the first");
}

#[test]
fn the_selection_stays_on_its_routine_when_that_moves() {
    let mut model = model(|_| page((1..9).map(|id| routine(id, None, "task", None, json!({}))).collect()));
    press(&mut model, "jjj", &mut many);
    assert_eq!(selected(&model), 4);
    let mut moved = |_: &Query| page([9, 8, 4, 2].map(|id| routine(id, None, "task", None, json!({}))).to_vec());
    press(&mut model, "u", &mut moved);
    assert_eq!((selected(&model), model.selected), (4, 2));
}

#[test]
fn a_page_that_is_gone_gives_way_to_the_last_there_is() {
    let mut model = model(many);
    press(&mut model, "nnn", &mut many);
    let mut fewer = |query: &Query| {
        let mut answer = many(query);
        answer["matching"] = 150.into();
        answer
    };
    press(&mut model, "u", &mut fewer);
    assert_eq!(model.query.page, 1);
}

#[test]
fn a_branch_opens_with_its_children_in_pages_and_closes() {
    let mut model = model(many);
    press(&mut model, "2", &mut many);
    assert_eq!(model.answer.lines.len(), 1);
    press(&mut model, "→", &mut many);
    assert_eq!(model.answer.lines.len(), 1 + 100 + 1);
    let more = |line: &Line| matches!(line, Line::More { parent: 1, page: 1, count: 950, depth: 1 });
    assert!(more(&model.answer.lines[101]), "{:?}", model.answer.lines[101]);
    model.selected = 101;
    press(&mut model, "⏎", &mut many);
    let first = &model.answer.lines[1];
    assert!(matches!(first, Line::More { parent: 1, page: 0, count: 100, .. }), "{first:?}");
    assert!(matches!(&model.answer.lines[2], Line::Routine { row, depth: 1, .. } if row.info.id.as_u64() == 102));
    model.selected = 50;
    press(&mut model, "←", &mut many);
    assert_eq!(selected(&model), 1, "left of a leaf is its parent");
    press(&mut model, "←", &mut many);
    assert_eq!(model.answer.lines.len(), 1);
}

#[test]
fn a_service_that_tells_of_a_circle_does_not_hold_us_in_it() {
    let circle = |_: &Query| {
        let mut all =
            page(vec![routine(1, Some(1), "task", None, json!({})), routine(2, Some(1), "task", None, json!({}))]);
        all["routines"][0]["children"] = 2.into();
        all
    };
    let mut model = model(circle);
    let mut asked = 0;
    let mut counted = |query: &Query| {
        asked += 1;
        circle(query)
    };
    press(&mut model, "2→", &mut counted);
    assert_eq!((asked, model.answer.lines.len()), (1 + 2, 4));
}

#[test]
fn so_many_branches_may_be_open_and_no_more() {
    let wide = |query: &Query| {
        let mut all = page((1..90).map(|id| routine(id, None, "task", None, json!({}))).collect());
        all["routines"].as_array_mut().unwrap().iter_mut().for_each(|row| row["children"] = 1.into());
        if query.parent.is_some() { page(Vec::new()) } else { all }
    };
    let mut model = model(wide);
    press(&mut model, &format!("2{}", "→j".repeat(MOST_OPEN + 5)), &mut { wide });
    assert_eq!(model.open.len(), MOST_OPEN);
}

#[test]
fn branches_of_routines_that_ended_are_no_longer_asked_for() {
    let mut model = model(many);
    press(&mut model, "2→", &mut many);
    assert_eq!(model.ask().open.len(), 1);
    press(&mut model, "u", &mut |_| page(vec![routine(7, None, "task", None, json!({}))]));
    assert_eq!(model.ask().open.len(), 0);
}

#[test]
fn what_was_asked_before_a_key_is_not_shown_after_it() {
    let mut model = model(many);
    let old = model.ask();
    assert_eq!(model.key(KeyEvent::new(KeyCode::Char('3'), KeyModifiers::NONE), 20), Step::Ask);
    let late = routines_cli::fetch::fetch(&old, &mut |query| Ok(parsed(&many(query))));
    assert_eq!(model.answered(&old, late), Step::Ask);
    assert_eq!(model.answer.lines.len(), 100, "the old lines stand until the right ones come");
}

#[test]
fn a_fault_leaves_what_was_shown_and_the_next_answer_ends_it() {
    let mut model = model(many);
    let ask = model.ask();
    assert_eq!(model.answered(&ask, Err(Fault::new("gone"))), Step::Draw);
    assert_eq!((model.fault.is_some(), model.answer.lines.len()), (true, 100));
    press(&mut model, "u", &mut many);
    assert!(model.fault.is_none());
}

#[test]
fn q_and_ctrl_c_quit_but_a_q_in_a_filter_is_a_letter() {
    let mut model = model(many);
    assert_eq!(press(&mut model, "q", &mut many), Step::Quit);
    assert_eq!(press(&mut model, "/q", &mut many), Step::Draw);
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(model.key(ctrl_c, 20), Step::Quit);
}

#[test]
fn any_keys_in_any_order_never_panic_and_keep_the_selection_among_the_lines() {
    let keys: Vec<char> = "123\t rug⇱⇲npjk↑↓←→⏎⎋/a⌫?IFKNSADPBLCx".chars().collect();
    // A generator of its own: the same keys in every run.
    let mut state = 1_u64;
    let mut model = model(many);
    for _ in 0..5_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = keys[usize::try_from(state >> 33).unwrap() % keys.len()];
        press(&mut model, &key.to_string(), &mut many);
        model.scroll(20);
        assert!(model.selected < model.answer.lines.len().max(1));
        assert!((model.offset..model.offset + 20).contains(&model.selected));
    }
}
