//! Owns what a reader may ask of the page: filter, order, paging, and how they are read from a URL.

use std::fmt;
use std::str::FromStr;

use routines::RoutineId;
use serde::de::{Deserialize, Deserializer, Error};

/// The most rows of one page.
const MOST_ROWS: usize = 1000;

/// The most bytes of a filter: what each word costs is multiplied by all routines.
const LONGEST_FILTER: usize = 1000;

/// Which routines to show, in what order, and which page of them.
///
/// ```
/// use routines_inspect::page::{Query, Sort};
///
/// let query = Query::parse("q=tenant%3Dacme&sort=busy&desc=true&page=2").unwrap();
/// assert_eq!((query.q.as_str(), query.sort, query.desc), ("tenant=acme", Sort::Busy, true));
/// assert_eq!((query.page, query.per_page), (2, 100));
/// assert!(Query::parse("sort=colour").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Query {
    /// Words that must all match, 1000 bytes at most; `"…"` keeps spaces together.
    ///
    /// `key=value` matches a routine whose named value `key` reads `value`, `key=` one that has the key at all; `id`, `parent`, `kind`,
    /// `name`, `state` and `spawned_at` are keys too. Any other word is looked for in name, spawn location and
    /// values, in upper or lower case, and matches the routine with that id.
    pub q: String,
    /// What to sort by. Ties go by id, so that pages never overlap.
    pub sort: Sort,
    /// Largest first. What has no value comes last either way.
    #[serde(deserialize_with = "truth")]
    pub desc: bool,
    /// The page, from 0.
    pub page: usize,
    /// Rows of a page, 1 to 1000.
    pub per_page: usize,
    /// Only the direct children of this routine.
    #[serde(deserialize_with = "id")]
    pub parent: Option<RoutineId>,
    /// Only this routine, with the chain of its parents.
    #[serde(deserialize_with = "id")]
    pub id: Option<RoutineId>,
    /// As which rows.
    pub view: View,
}

impl Default for Query {
    fn default() -> Self {
        Query {
            q: String::new(),
            sort: Sort::Id,
            desc: false,
            page: 0,
            per_page: 100,
            parent: None,
            id: None,
            view: View::Routines,
        }
    }
}

impl Query {
    /// Reads the query part of a URL, without its `?`.
    ///
    /// # Errors
    ///
    /// If a parameter is unknown, given twice, or not what it should be: the error says which.
    pub fn parse(url_query: &str) -> Result<Query, ParseQueryError> {
        let query: Query = serde_urlencoded::from_str(url_query).map_err(|e| ParseQueryError(e.to_string()))?;
        if !(1..=MOST_ROWS).contains(&query.per_page) {
            return Err(ParseQueryError(format!("per_page must be 1 to {MOST_ROWS}")));
        }
        if query.q.len() > LONGEST_FILTER {
            return Err(ParseQueryError(format!("q must have at most {LONGEST_FILTER} bytes")));
        }
        Ok(query)
    }
}

impl FromStr for Query {
    type Err = ParseQueryError;

    fn from_str(url_query: &str) -> Result<Self, ParseQueryError> {
        Query::parse(url_query)
    }
}

/// What rows are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sort {
    /// The id; groups by their size, the largest first.
    Id,
    /// The parent's id.
    Parent,
    /// Thread, task, job, coroutine.
    Kind,
    /// The name.
    Name,
    /// File, then line.
    SpawnedAt,
    /// Running, idle, alive.
    State,
    /// How long ago it was started; of a group its oldest.
    Age,
    /// How long it has been idle.
    Idle,
    /// How often it was polled.
    Polls,
    /// How long its polls took.
    Busy,
    /// The size of a group; routines as by id.
    Count,
}

/// As which rows routines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum View {
    /// One row each.
    Routines,
    /// One row each, of one level: the children of `parent`, without one those whose parent has ended or never was.
    ///
    /// With a filter: those that match, and those above and below them.
    Tree,
    /// One row for all of one kind that were spawned at one line.
    Groups,
}

/// The query of a URL that the page does not understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseQueryError(String);

impl fmt::Display for ParseQueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a query of the page: {}", self.0)
    }
}

impl std::error::Error for ParseQueryError {}

fn truth<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    match String::deserialize(from)?.as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" | "" => Ok(false),
        _ => Err(D::Error::custom("desc must be true or false")),
    }
}

/// An id as a number, or as the page shows it: `foreign-7`.
fn id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RoutineId>, D::Error> {
    let text = String::deserialize(from)?;
    match text.parse::<u64>().ok().and_then(RoutineId::from_u64) {
        None if !text.is_empty() => text.parse().map(Some).map_err(D::Error::custom),
        id => Ok(id),
    }
}
