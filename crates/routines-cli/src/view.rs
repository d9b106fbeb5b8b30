//! Owns how a model looks: one frame, in any size of terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as TextLine, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row as TableRow, Table, TableState, Wrap};
use routines::State;

use crate::columns::{self, Column, Spec};
use crate::fetch::Line;
use crate::model::{Mode, Model, SORT_KEYS};
use crate::query::{FIRST, Shape};
use crate::text::{self, Plain};
use crate::wire::{Group, Row};

/// Lines that are not the table's: what it is about, its titles, and the keys.
const AROUND: u16 = 3;

/// How many lines of a table a terminal of this height shows.
pub fn window(model: &Model, height: u16) -> usize {
    usize::from(height.saturating_sub(AROUND + details_height(model, height)))
}

fn details_height(model: &Model, height: u16) -> u16 {
    if model.details { (height / 2).min(14) } else { 0 }
}

/// Draws the model; scroll it to the same window before.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let details = details_height(model, area.height);
    let rows = [Constraint::Length(1), Constraint::Min(0), Constraint::Length(details), Constraint::Length(1)];
    let [head, body, below, foot] = Layout::vertical(rows).areas(area);
    frame.render_widget(title(model), head);
    match model.mode {
        Mode::Help => frame.render_widget(Paragraph::new(HELP).wrap(Wrap { trim: false }), body),
        _ => table(model, frame, body),
    }
    if details > 0 {
        frame.render_widget(detail(model), below);
    }
    footer(model, frame, foot);
}

fn title(model: &Model) -> Paragraph<'_> {
    let answer = &model.answer;
    let mut text = format!(" {}  {} live", model.address, text::grouped(answer.total));
    if !model.query.q.is_empty() {
        text.push_str(&format!(", {} match {}", text::grouped(answer.matching), Plain::new(&model.query.q)));
    }
    if model.pages() > 1 {
        text.push_str(&format!("  page {}/{}", model.query.page - FIRST + 1, model.pages()));
    }
    text.push_str(if answer.timing { "  timed" } else { "" });
    text.push_str(if model.paused { "  PAUSED" } else { "" });
    Paragraph::new(text).style(Style::new().add_modifier(Modifier::REVERSED))
}

// ===== the table =====

fn table(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let lines = &model.answer.lines;
    let height = usize::from(area.height.saturating_sub(1));
    let seen = &lines[model.offset.min(lines.len())..(model.offset + height).min(lines.len())];
    let tree = model.query.shape == Shape::Tree;
    let first = seen.iter().map(|line| columns::cell(Column::Id, line, tree)).map(|cell| width(cell.as_str())).max();
    let first = u16::try_from(first.unwrap_or(0)).unwrap_or(u16::MAX).min(area.width / 3);
    let columns = columns::fit(model.query.shape, model.shift, first, area.width);
    let rows = seen.iter().map(|line| row(line, &columns, tree));
    let widths: Vec<_> = columns.iter().map(|spec| Constraint::Length(spec.width)).collect();
    let titles = TableRow::new(columns.iter().map(|spec| heading(model, spec, tree)));
    let table = Table::new(rows, widths).header(titles).column_spacing(1);
    let table = table.row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let selected = (!seen.is_empty()).then(|| model.selected.saturating_sub(model.offset));
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(selected));
}

/// A title with the key that sorts by it underlined, and the direction if it is sorted by.
fn heading(model: &Model, spec: &Spec, tree: bool) -> Cell<'static> {
    let sorted = spec.sort == Some(model.query.sort);
    let mark = if model.query.desc { "▼" } else { "▲" };
    let key = SORT_KEYS.iter().find(|(_, sort)| spec.sort == Some(*sort)).map(|(key, _)| *key);
    let letter = |c: char| {
        let style = Style::new().add_modifier(Modifier::BOLD);
        Span::styled(c.to_string(), if Some(c) == key { style.add_modifier(Modifier::UNDERLINED) } else { style })
    };
    let mut line = TextLine::from_iter(spec.title.chars().map(letter));
    if sorted {
        line.push_span(mark);
    }
    Cell::new(aligned(line, spec, tree))
}

fn row(line: &Line, columns: &[Spec], tree: bool) -> TableRow<'static> {
    if let Line::More { .. } = line {
        let more = columns::cell(Column::Id, line, tree);
        return TableRow::new([Cell::new(more.to_string())]).style(Style::new().add_modifier(Modifier::DIM));
    }
    let cells = columns.iter().map(|spec| {
        let text = cut(
            columns::cell(spec.column, line, tree).as_str(),
            usize::from(spec.width),
            spec.column == Column::Location,
        );
        Cell::new(aligned(TextLine::styled(text, colour(spec.column, line)), spec, tree))
    });
    let found = !matches!(line, Line::Routine { row, .. } if row.matches == Some(false));
    TableRow::new(cells).style(if found { Style::new() } else { Style::new().add_modifier(Modifier::DIM) })
}

fn aligned<'a>(line: TextLine<'a>, spec: &Spec, tree: bool) -> TextLine<'a> {
    let right = spec.numeric && !(tree && spec.column == Column::Id);
    if right { line.right_aligned() } else { line }
}

fn colour(column: Column, line: &Line) -> Style {
    let Line::Routine { row, .. } = line else { return Style::new() };
    match (column, row.info.state) {
        (Column::State, State::Running) => Style::new().fg(Color::Green),
        (Column::Deadline, _) => Style::new().fg(Color::Yellow),
        (Column::Location, _) => Style::new().add_modifier(Modifier::DIM),
        _ => Style::new(),
    }
}

fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// What fits, with a mark where the rest was: the end of a place in the source matters more than its beginning.
fn cut(text: &str, room: usize, from_end: bool) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub(1);
    let mut fits = |c: &char| {
        let wide = width(c.encode_utf8(&mut [0; 4]));
        left.checked_sub(wide).map(|rest| left = rest).is_some()
    };
    if from_end {
        let mut kept: Vec<char> = text.chars().rev().take_while(&mut fits).collect();
        kept.push('…');
        return kept.into_iter().rev().collect();
    }
    text.chars().take_while(&mut fits).chain(['…']).collect()
}

// ===== around it =====

fn detail(model: &Model) -> Paragraph<'static> {
    let lines = match model.answer.lines.get(model.selected) {
        Some(Line::Routine { row, .. }) => of_routine(row),
        Some(Line::Group(group)) => of_group(group),
        Some(Line::More { .. }) | None => Vec::new(),
    };
    Paragraph::new(lines).wrap(Wrap { trim: false }).block(Block::new().borders(Borders::TOP))
}

fn of_routine(row: &Row) -> Vec<TextLine<'static>> {
    let info = &row.info;
    let idle = info.idle.map(|idle| format!(" for {}", text::age(idle))).unwrap_or_default();
    let name = info.name.as_deref().map(|name| format!(" \"{}\"", Plain::new(name))).unwrap_or_default();
    let parent = info.parent.map_or("no parent".to_owned(), |parent| format!("child of {parent}"));
    let busy = info.busy.map(|busy| format!(", {} busy", text::busy(busy))).unwrap_or_default();
    let place = Plain::new(info.spawned_at.as_deref().unwrap_or("a place not known"));
    let mut lines = vec![
        TextLine::raw(format!(
            "{} {}{name}, {}{idle}, {parent}, children: {}",
            info.kind, info.id, info.state, row.children
        )),
        TextLine::raw(format!("from {place}, {} ago, {} polls{busy}", text::age(info.age), text::grouped(info.polls))),
    ];
    lines.extend(info.values.iter().map(|(name, value)| {
        let value = Plain::new(&columns::shown(value)).to_string();
        TextLine::from_iter([
            Span::styled(Plain::new(name).to_string(), Style::new().add_modifier(Modifier::BOLD)),
            " = ".into(),
            value.into(),
        ])
    }));
    lines
}

fn of_group(group: &Group) -> Vec<TextLine<'static>> {
    let place = Plain::new(group.spawned_at.as_deref().unwrap_or("a place not known"));
    let (count, kind, states) = (text::grouped(group.count), Plain::new(&group.kind), Plain::new(&group.states()));
    let mut lines = vec![TextLine::raw(format!("{count} {kind} from {place}: {states}"))];
    lines.extend(group.values().map(|values| TextLine::raw(Plain::new(&values).to_string())));
    lines
}

fn footer(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    if let Mode::Filter(text) = &model.mode {
        let shown = format!("filter: {}", Plain::new(text));
        let (end, room) = (width(&shown), usize::from(area.width).saturating_sub(1));
        frame.render_widget(Paragraph::new(cut(&shown, room, true)), area);
        frame.set_cursor_position((area.x + end.min(room) as u16, area.y));
        return;
    }
    let line = match &model.fault {
        Some(fault) => TextLine::styled(fault.to_string(), Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)),
        None => TextLine::raw(KEYS),
    };
    frame.render_widget(line, area);
}

const KEYS: &str = "/ filter  1 table 2 tree 3 groups  ↑↓ n p move  ←→ ⏎ more  space pause  ? q quit";

const HELP: &str = "
  /            filter: words, or key=value for a named value; Esc clears it
  1 2 3  Tab   table, tree, groups
  ↑ ↓  k j     move; PgUp PgDn; Home End
  n p          next page, page before
  ← →          in a table: columns; in a tree: close, open
  Enter        all that is known of the line; on \"more\": the children there
  capitals     sort by the column with this letter underlined; again: reversed
  F            sort by parent
  r            reverse
  space        pause, and go on
  u            update now
  q  Ctrl-C    quit

  Any key goes back.";
