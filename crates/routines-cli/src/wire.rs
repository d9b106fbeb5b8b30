//! Owns the JSON of the page: what is taken from it, and what is refused. It comes from outside.

use std::collections::BTreeMap;

use routines::RoutineInfo;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::client::Fault;

/// The version of the JSON this command reads.
const VERSION: u64 = 1;

/// One page of routines, or of groups.
///
/// ```
/// use routines_cli::wire::{Page, Row, read};
///
/// let page: Page<Row> = read(br#"{"version":1,"total":2,"matching":0,"timing":false,"routines":[]}"#, 100).unwrap();
/// assert_eq!((page.total, page.routines.len()), (2, 0));
/// ```
#[derive(Debug, Deserialize)]
pub struct Page<R> {
    /// How many live.
    pub total: u64,
    /// How many of them the filter lets through.
    pub matching: u64,
    /// Whether polls are timed.
    #[serde(default)]
    pub timing: bool,
    /// The routines of this page.
    #[serde(default = "Vec::new")]
    pub routines: Vec<R>,
    /// The groups of this page, where they were asked for.
    #[serde(default)]
    pub groups: Vec<Group>,
}

/// A routine on a page.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    /// What a dump tells of it.
    #[serde(flatten)]
    pub info: RoutineInfo,
    /// How many live routines it started.
    #[serde(default)]
    pub children: u64,
    /// Whether the filter found it itself, and not one above or below it.
    #[serde(default)]
    pub matches: Option<bool>,
}

/// Routines of one kind started at one line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// Thread, task, job or coroutine.
    pub kind: String,
    /// The line.
    pub spawned_at: Option<String>,
    /// How many are in each state.
    pub states: BTreeMap<String, u64>,
    /// The age of the oldest.
    pub oldest_ms: u64,
    /// The polls of all of them.
    pub polls: u64,
    /// Time spent in polls by all of them, while they were timed.
    #[serde(default)]
    pub busy_us: Option<u64>,
    /// By name, the commonest values.
    #[serde(default)]
    pub values: BTreeMap<String, Counted>,
}

/// The values of one name in a group.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Counted {
    /// How many there are.
    pub distinct: u64,
    /// The commonest, and how often each occurs.
    pub commonest: Vec<(String, u64)>,
}

impl Group {
    /// `idle`, or `idle 5, running 1`.
    pub fn states(&self) -> String {
        if let Some((only, _)) = self.states.first_key_value().filter(|_| self.states.len() == 1) {
            return only.clone();
        }
        let states: Vec<_> = self.states.iter().map(|(state, count)| format!("{state} {count}")).collect();
        states.join(", ")
    }

    /// `tenant: acme 5, zeta 1`, for each name.
    pub fn values(&self) -> impl Iterator<Item = String> {
        self.values.iter().map(|(name, counted)| {
            let mut values: Vec<_> =
                counted.commonest.iter().map(|(value, count)| format!("{value} {count}")).collect();
            match counted.distinct.saturating_sub(values.len() as u64) {
                0 => {}
                more => values.push(format!("{more} more values")),
            }
            format!("{name}: {}", values.join(", "))
        })
    }
}

/// Reads a page, and keeps at most `most` of its lines.
///
/// # Errors
///
/// If it is not a page, or one of another version.
pub fn read<R: DeserializeOwned>(json: &[u8], most: u64) -> Result<Page<R>, Fault> {
    #[derive(Deserialize)]
    struct Head {
        version: u64,
    }
    let malformed = |error: serde_json::Error| Fault::new(format!("the answer is not a page of routines: {error}"));
    let head: Head = serde_json::from_slice(json).map_err(malformed)?;
    if head.version != VERSION {
        let what = format!("the page has version {}, this command reads version {VERSION}", head.version);
        return Err(Fault::new(what).remedy("use the `routines` command of the release that the process is built with"));
    }
    let mut page: Page<R> = serde_json::from_slice(json).map_err(malformed)?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    page.routines.truncate(most);
    page.groups.truncate(most);
    Ok(page)
}
