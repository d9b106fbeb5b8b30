//! Owns how the lines of a view are put together from pages: one question for a table, one for each open branch of a tree.

use std::collections::BTreeMap;

use crate::client::Fault;
use crate::query::{FIRST, Query, Shape};
use crate::wire::{Group, Page, Row};

/// So many branches may be open at once: each costs a request at every refresh.
pub const MOST_OPEN: usize = 32;

/// What a view shows now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The table's page, the tree's roots, or the groups.
    pub query: Query,
    /// Open branches: routines, and the page of their children.
    pub open: BTreeMap<u64, u64>,
}

/// What there is to show.
#[derive(Debug, Default)]
pub struct Answer {
    /// How many live.
    pub total: u64,
    /// How many match.
    pub matching: u64,
    /// Whether polls are timed.
    pub timing: bool,
    /// One below the other.
    pub lines: Vec<Line>,
}

/// One line of a view.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// A routine.
    Routine {
        /// How far below a root.
        depth: usize,
        /// Whether its children follow.
        open: bool,
        /// What is known of it.
        row: Box<Row>,
    },
    /// More children of a routine than one page has, before or after those shown.
    More {
        /// How far below a root.
        depth: usize,
        /// Whose.
        parent: u64,
        /// The page that has the next of them.
        page: u64,
        /// How many are on that page and beyond it.
        count: u64,
    },
    /// Routines of one origin.
    Group(Group),
}

/// Asks all that a view needs.
///
/// # Errors
///
/// The first fault.
pub fn fetch(ask: &Ask, get: &mut dyn FnMut(&Query) -> Result<Page<Row>, Fault>) -> Result<Answer, Fault> {
    let page = get(&ask.query)?;
    let mut answer = Answer { total: page.total, matching: page.matching, timing: page.timing, lines: Vec::new() };
    match ask.query.shape {
        Shape::Groups => answer.lines.extend(page.groups.into_iter().map(Line::Group)),
        Shape::Routines => {
            let lines =
                page.routines.into_iter().map(|row| Line::Routine { depth: 0, open: false, row: Box::new(row) });
            answer.lines.extend(lines);
        }
        Shape::Tree => Tree { ask, open: ask.open.clone(), get, lines: &mut answer.lines }.rows(page.routines, 0)?,
    }
    Ok(answer)
}

/// A tree in the making.
struct Tree<'a> {
    ask: &'a Ask,
    /// Branches that have not been met: each is opened once, so that a service that tells of a circle cannot hold us in it.
    open: BTreeMap<u64, u64>,
    get: &'a mut dyn FnMut(&Query) -> Result<Page<Row>, Fault>,
    lines: &'a mut Vec<Line>,
}

impl Tree<'_> {
    /// Recursion ends: each step takes one of the branches to open.
    fn rows(&mut self, rows: Vec<Row>, depth: usize) -> Result<(), Fault> {
        for row in rows {
            let id = row.info.id.as_u64();
            let page = if row.children > 0 { self.open.remove(&id) } else { None };
            self.lines.push(Line::Routine { depth, open: page.is_some(), row: Box::new(row) });
            if let Some(page) = page {
                self.branch(id, page, depth + 1)?;
            }
        }
        Ok(())
    }

    fn branch(&mut self, parent: u64, page: u64, depth: usize) -> Result<(), Fault> {
        let query = Query { parent: Some(parent), page, ..self.ask.query.clone() };
        let found = (self.get)(&query)?;
        let (before, shown) = ((page - FIRST).saturating_mul(query.per_page), found.routines.len() as u64);
        let after = found.matching.saturating_sub(before.saturating_add(shown));
        if page > FIRST {
            self.lines.push(Line::More { depth, parent, page: page - 1, count: before });
        }
        self.rows(found.routines, depth)?;
        if after > 0 && shown > 0 {
            self.lines.push(Line::More { depth, parent, page: page + 1, count: after });
        }
        Ok(())
    }
}
