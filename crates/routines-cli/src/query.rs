//! Owns what can be asked of the page, and how it is written in a URL.

use clap::ValueEnum;
use form_urlencoded::Serializer;

/// What the service sorts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the columns'")]
pub enum Sort {
    Id,
    Parent,
    Kind,
    Name,
    SpawnedAt,
    State,
    Age,
    Idle,
    Polls,
    Busy,
    Count,
}

impl Sort {
    /// As the service calls it.
    pub fn name(self) -> &'static str {
        match self {
            Sort::Id => "id",
            Sort::Parent => "parent",
            Sort::Kind => "kind",
            Sort::Name => "name",
            Sort::SpawnedAt => "spawned_at",
            Sort::State => "state",
            Sort::Age => "age",
            Sort::Idle => "idle",
            Sort::Polls => "polls",
            Sort::Busy => "busy",
            Sort::Count => "count",
        }
    }
}

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Routines.
    Routines,
    /// The roots, or the children of [`Query::parent`].
    Tree,
    /// How many were started where; one line each.
    Groups,
}

/// One question to the page.
///
/// ```
/// use routines_cli::query::Query;
///
/// let query = Query { q: "tenant=acme & co".into(), ..Query::default() };
/// assert!(query.to_string().starts_with("q=tenant%3Dacme+%26+co&sort=id&"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The filter.
    pub q: String,
    /// The column to sort by.
    pub sort: Sort,
    /// From the largest down.
    pub desc: bool,
    /// Counted from [`FIRST`].
    pub page: u64,
    /// At most 1000.
    pub per_page: u64,
    /// Children of this routine only.
    pub parent: Option<u64>,
    /// Routines, tree or groups.
    pub shape: Shape,
}

/// The number of the first page.
pub const FIRST: u64 = 0;

impl Default for Query {
    fn default() -> Query {
        Query {
            q: String::new(),
            sort: Sort::Id,
            desc: false,
            page: FIRST,
            per_page: 100,
            parent: None,
            shape: Shape::Routines,
        }
    }
}

impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let view = match self.shape {
            Shape::Routines => "routines",
            Shape::Tree => "tree",
            Shape::Groups => "groups",
        };
        let mut url = Serializer::new(String::new());
        if !self.q.is_empty() {
            url.append_pair("q", &self.q);
        }
        url.append_pair("sort", self.sort.name()).append_pair("desc", &self.desc.to_string());
        url.append_pair("page", &self.page.to_string()).append_pair("per_page", &self.per_page.to_string());
        if let Some(parent) = self.parent {
            url.append_pair("parent", &parent.to_string());
        }
        f.write_str(&url.append_pair("view", view).finish())
    }
}
