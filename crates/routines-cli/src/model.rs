//! Owns what `routines top` shows and how keys and answers change it: no terminal, no network, no clock.

use std::collections::BTreeMap;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::client::Fault;
use crate::fetch::{Answer, Ask, Line, MOST_OPEN};
use crate::query::{FIRST, Query, Shape, Sort};

/// Routines on one page.
pub const PER_PAGE: u64 = 100;
/// No filter is longer.
const LONGEST_FILTER: usize = 200;

/// The state of the screen.
#[derive(Debug)]
pub struct Model {
    /// The process, as it was given.
    pub address: String,
    /// What is asked for.
    pub query: Query,
    /// Open branches of the tree.
    pub open: BTreeMap<u64, u64>,
    /// What was answered last.
    pub answer: Answer,
    /// Why there was no answer since.
    pub fault: Option<Fault>,
    /// What keys mean.
    pub mode: Mode,
    /// Whether nothing is asked unless a key demands it.
    pub paused: bool,
    /// The line the keys act on.
    pub selected: usize,
    /// The first line in sight.
    pub offset: usize,
    /// How many columns after the first are passed over.
    pub shift: usize,
    /// Whether all that is known of the selected line is shown.
    pub details: bool,
    /// Where the next answer puts the selection.
    landing: Landing,
}

/// What keys mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Commands.
    Browse,
    /// Text of a filter.
    Filter(String),
    /// Anything ends the help.
    Help,
}

/// What to do after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: draw.
    Draw,
    /// What is shown is no longer what is asked for.
    Ask,
    /// End.
    Quit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Landing {
    /// On the routine it is on now, wherever that has moved.
    Same,
    First,
    Last,
}

impl Model {
    /// Nothing known yet.
    pub fn new(address: String) -> Model {
        Model {
            address,
            query: Query { per_page: PER_PAGE, ..Query::default() },
            open: BTreeMap::new(),
            answer: Answer::default(),
            fault: None,
            mode: Mode::Browse,
            paused: false,
            selected: 0,
            offset: 0,
            shift: 0,
            details: false,
            landing: Landing::Same,
        }
    }

    /// What to ask for now.
    pub fn ask(&self) -> Ask {
        let open = if self.query.shape == Shape::Tree { self.open.clone() } else { BTreeMap::new() };
        Ask { query: self.query.clone(), open }
    }

    /// The number of pages there are.
    pub fn pages(&self) -> u64 {
        self.answer.matching.div_ceil(self.query.per_page).max(1)
    }

    // ===== answers =====

    /// Takes an answer; one to what is no longer asked is passed over.
    pub fn answered(&mut self, ask: &Ask, answer: Result<Answer, Fault>) -> Step {
        if *ask != self.ask() {
            return Step::Ask;
        }
        match answer {
            Ok(answer) => self.show(answer),
            Err(fault) => {
                self.fault = Some(fault);
                Step::Draw
            }
        }
    }

    fn show(&mut self, answer: Answer) -> Step {
        let before = self.answer.lines.get(self.selected).and_then(identity);
        self.answer = answer;
        self.fault = None;
        let lines = &self.answer.lines;
        // Branches that ended or moved out of sight are closed: what is open is asked for at every refresh.
        if self.query.shape == Shape::Tree {
            self.open.retain(|id, _| lines.iter().any(|line| identity(line) == Some(*id)));
        }
        self.selected = match std::mem::replace(&mut self.landing, Landing::Same) {
            Landing::First => 0,
            Landing::Last => lines.len(),
            Landing::Same => before
                .and_then(|before| lines.iter().position(|line| identity(line) == Some(before)))
                .unwrap_or(self.selected),
        };
        self.selected = self.selected.min(lines.len().saturating_sub(1));
        let last = FIRST + self.pages() - 1;
        if self.query.page > last {
            // The page is gone while it was looked at.
            self.query.page = last;
            return Step::Ask;
        }
        Step::Draw
    }

    /// Keeps the selection in sight of a window of so many lines.
    pub fn scroll(&mut self, height: usize) {
        let height = height.max(1);
        self.offset = self.offset.clamp((self.selected + 1).saturating_sub(height), self.selected);
        self.offset = self.offset.min(self.answer.lines.len().saturating_sub(height));
    }

    // ===== keys =====

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent, height: usize) -> Step {
        if key.kind == KeyEventKind::Release {
            return Step::Draw;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Step::Quit } else { Step::Draw };
        }
        match std::mem::replace(&mut self.mode, Mode::Browse) {
            Mode::Browse => self.browse(key.code, height.max(1)),
            Mode::Filter(text) => self.edit(key.code, text),
            Mode::Help => Step::Draw,
        }
    }

    fn edit(&mut self, key: KeyCode, mut text: String) -> Step {
        match key {
            KeyCode::Enter => return self.filter(text),
            KeyCode::Esc => return Step::Draw,
            KeyCode::Backspace if text.pop().is_none() => return Step::Draw,
            KeyCode::Char(c) if text.chars().count() < LONGEST_FILTER => text.push(c),
            _ => {}
        }
        self.mode = Mode::Filter(text);
        Step::Draw
    }

    fn filter(&mut self, text: String) -> Step {
        self.query.q = text;
        self.turn_to(FIRST, Landing::First)
    }

    fn browse(&mut self, key: KeyCode, height: usize) -> Step {
        match key {
            KeyCode::Char('q') => return Step::Quit,
            KeyCode::Char('/') => self.mode = Mode::Filter(self.query.q.clone()),
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char(' ') => self.paused = !self.paused,
            KeyCode::Char('1') => return self.view(Shape::Routines),
            KeyCode::Char('2') => return self.view(Shape::Tree),
            KeyCode::Char('3') => return self.view(Shape::Groups),
            KeyCode::Tab => return self.view(after(self.query.shape)),
            KeyCode::Char('r') => return self.sort(self.query.sort),
            KeyCode::Char('u') => return Step::Ask,
            KeyCode::Esc => return self.back(),
            KeyCode::Enter => return self.enter(),
            KeyCode::Left | KeyCode::Right => return self.sideways(key == KeyCode::Right),
            KeyCode::Char(letter) if letter.is_ascii_uppercase() => {
                return SORT_KEYS
                    .iter()
                    .find(|(key, _)| *key == letter)
                    .map_or(Step::Draw, |(_, sort)| self.sort(*sort));
            }
            _ => return self.walk(key, height),
        }
        Step::Draw
    }

    fn walk(&mut self, key: KeyCode, height: usize) -> Step {
        let last = self.answer.lines.len().saturating_sub(1);
        match key {
            KeyCode::Char('n') => return self.next_page(),
            KeyCode::Char('p') => return self.previous_page(Landing::First),
            KeyCode::Down | KeyCode::Char('j') if self.selected == last => return self.next_page(),
            KeyCode::Up | KeyCode::Char('k') if self.selected == 0 => return self.previous_page(Landing::Last),
            KeyCode::PageDown if self.selected == last => return self.next_page(),
            KeyCode::PageUp if self.selected == 0 => return self.previous_page(Landing::Last),
            KeyCode::Down | KeyCode::Char('j') => self.selected += 1,
            KeyCode::Up | KeyCode::Char('k') => self.selected -= 1,
            KeyCode::PageDown => self.selected = last.min(self.selected + height),
            KeyCode::PageUp => self.selected = self.selected.saturating_sub(height),
            KeyCode::Home | KeyCode::Char('g') => return self.turn_to(FIRST, Landing::First),
            KeyCode::End => return self.turn_to(FIRST + self.pages() - 1, Landing::Last),
            _ => {}
        }
        Step::Draw
    }

    fn next_page(&mut self) -> Step {
        if self.query.page + 1 >= FIRST + self.pages() {
            return Step::Draw;
        }
        self.turn_to(self.query.page + 1, Landing::First)
    }

    fn previous_page(&mut self, landing: Landing) -> Step {
        if self.query.page == FIRST { Step::Draw } else { self.turn_to(self.query.page - 1, landing) }
    }

    fn turn_to(&mut self, page: u64, landing: Landing) -> Step {
        self.query.page = page;
        self.landing = landing;
        Step::Ask
    }

    fn view(&mut self, shape: Shape) -> Step {
        self.query.shape = shape;
        self.shift = 0;
        self.turn_to(FIRST, Landing::First)
    }

    /// What is large is looked for: the first press of a column of quantities shows the largest.
    fn sort(&mut self, sort: Sort) -> Step {
        let quantity = matches!(sort, Sort::Age | Sort::Idle | Sort::Polls | Sort::Busy | Sort::Count);
        self.query.desc = if self.query.sort == sort { !self.query.desc } else { quantity };
        self.query.sort = sort;
        self.turn_to(FIRST, Landing::First)
    }

    fn back(&mut self) -> Step {
        if std::mem::take(&mut self.details) || self.query.q.is_empty() {
            return Step::Draw;
        }
        self.filter(String::new())
    }

    fn enter(&mut self) -> Step {
        if let Some(Line::More { parent, page, .. }) = self.answer.lines.get(self.selected) {
            self.open.insert(*parent, *page);
            return Step::Ask;
        }
        self.details = !self.details;
        Step::Draw
    }

    /// Columns in a table, branches in a tree.
    fn sideways(&mut self, right: bool) -> Step {
        match (self.query.shape, self.answer.lines.get(self.selected)) {
            (Shape::Tree, Some(Line::Routine { row, open, depth })) => {
                let (id, open, depth, branch) = (row.info.id.as_u64(), *open, *depth, row.children > 0);
                return self.branch(id, open, depth, branch, right);
            }
            (Shape::Tree, Some(Line::More { depth, .. })) if !right => self.climb(*depth),
            (Shape::Tree, _) => {}
            (_, _) if right => self.shift = (self.shift + 1).min(MOST_SHIFT),
            _ => self.shift = self.shift.saturating_sub(1),
        }
        Step::Draw
    }

    fn branch(&mut self, id: u64, open: bool, depth: usize, branch: bool, right: bool) -> Step {
        match right {
            true if branch && !open && self.open.len() < MOST_OPEN => _ = self.open.insert(id, FIRST),
            false if open => _ = self.open.remove(&id),
            false => {
                self.climb(depth);
                return Step::Draw;
            }
            true => return Step::Draw,
        }
        Step::Ask
    }

    fn climb(&mut self, depth: usize) {
        let mut above = self.answer.lines[..self.selected].iter();
        let parent = above.rposition(|line| matches!(line, Line::Routine { depth: above, .. } if *above + 1 == depth));
        self.selected = parent.unwrap_or(self.selected);
    }
}

/// Columns after the first.
const MOST_SHIFT: usize = 10;

/// The letter of each column; shown in its title.
pub const SORT_KEYS: [(char, Sort); 11] = [
    ('I', Sort::Id),
    ('F', Sort::Parent),
    ('K', Sort::Kind),
    ('N', Sort::Name),
    ('S', Sort::State),
    ('A', Sort::Age),
    ('D', Sort::Idle),
    ('P', Sort::Polls),
    ('B', Sort::Busy),
    ('L', Sort::SpawnedAt),
    ('C', Sort::Count),
];

fn after(shape: Shape) -> Shape {
    match shape {
        Shape::Routines => Shape::Tree,
        Shape::Tree => Shape::Groups,
        Shape::Groups => Shape::Routines,
    }
}

/// What stays the same when a line moves.
fn identity(line: &Line) -> Option<u64> {
    match line {
        Line::Routine { row, .. } => Some(row.info.id.as_u64()),
        Line::More { .. } | Line::Group(_) => None,
    }
}
