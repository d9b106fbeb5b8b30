//! Owns the live page: what is shown of all live routines, as text, JSON and HTML.
//!
//! Plain functions that return text or bytes, for any server. Each collects anew, on the calling thread: about a
//! microsecond a live routine, in which nothing else is stopped. With the feature `axum` the crate's `router` serves them.
//!
//! Only named values are shown, and `redacted()` ones as a mark. Whatever came from outside is escaped: text views quote
//! control characters as [`routines::dump()`](fn@routines::dump) does, and the page's script writes text nodes only.

mod collected;
mod filter;
mod groups;
mod json;
mod order;
mod query;
mod text;
mod tree;

pub(crate) use collected::Collected;
pub use query::{ParseQueryError, Query, Sort, View};

/// All live routines grouped by the line that spawned them, in the shape of Go's `debug=1`.
///
/// The first line counts them, each other one is `N @ file:line [state] kind …`, the largest group first; below it the
/// commonest of its named values. Never panics, also if a value's own `Debug` does.
///
/// ```
/// let text = routines_inspect::page::grouped();
/// assert!(text.starts_with("routine profile: total "));
/// assert!(text.contains(" @ "));
/// ```
pub fn grouped() -> String {
    Collected::now().grouped()
}

/// Each live routine, in the shape of Go's `debug=2`: the text of [`routines::dump()`](fn@routines::dump).
///
/// ```
/// let text = routines_inspect::page::each();
/// assert!(text.contains(&format!("routine {} [running]", routines::id())));
/// ```
pub fn each() -> String {
    Collected::now().each()
}

/// All live routines as a tree, children below the routine that started them.
///
/// ```
/// let text = routines_inspect::page::tree();
/// assert!(text.contains(&format!("routine {} [running]", routines::id())));
/// ```
pub fn tree() -> String {
    Collected::now().tree()
}

/// One page of what a [`Query`] asks for, as JSON.
///
/// `{"version":1,"now_unix_ms":…,"total":…,"matching":…,"page":…,"per_page":…,"timing":…,"routines":[…],"groups":[…],"chain":[…]}`:
///
/// - `total` is the number of live routines, `matching` the number of rows the query has in all its pages.
/// - Each routine has the fields of [`RoutineInfo`](routines::RoutineInfo) in JSON, `id_text` and `parent_text` (ids beyond
///   2^53 are no exact numbers in JavaScript, and foreign ones read `foreign-7`), and `children`, the number of those it has. In the
///   tree view also `matches`: whether the filter found it itself, or one of those above or below it.
/// - Each group has `spawned_at`, `kind`, `count`, `states`, `oldest_ms`, `polls`, `busy_us` and `values`: per name the number
///   of distinct values and the commonest.
/// - `chain` answers a query for one `id`: its parents, nearest first. One that has ended is `{"id":…,"id_text":…,"gone":true}`, and
///   the last: nothing more is known.
///
/// For 100 000 routines 2 to 30 ms besides collecting them, and 70 ms for groups.
///
/// ```
/// use routines_inspect::page::{self, Query};
///
/// let query = Query::parse("q=state%3Drunning&sort=age&desc=true").unwrap();
/// let json = String::from_utf8(page::json(&query)).unwrap();
/// assert!(json.starts_with(r#"{"version":1,"now_unix_ms":"#));
/// assert!(json.contains(&format!(r#""id_text":"{}""#, routines::id())));
/// ```
pub fn json(query: &Query) -> Vec<u8> {
    Collected::now().json(query)
}

/// The HTML page; it refers to [`script`], [`style`] and [`icon`] as `routines/app.js`, `routines/style.css` and `routines/icon.svg`, and its
/// script fetches `json` from where it came from itself.
///
/// Nothing in it comes from outside, and it asks no other host for anything.
///
/// ```
/// assert!(routines_inspect::page::html().contains("routines/app.js"));
/// ```
pub fn html() -> &'static str {
    include_str!("page/assets/index.html")
}

/// The page's script, of type `text/javascript`.
///
/// ```
/// assert!(!routines_inspect::page::script().contains("innerHTML"));
/// ```
pub fn script() -> &'static str {
    include_str!("page/assets/app.js")
}

/// The page's style sheet, of type `text/css`.
///
/// ```
/// assert!(routines_inspect::page::style().contains("prefers-color-scheme"));
/// ```
pub fn style() -> &'static str {
    include_str!("page/assets/style.css")
}

/// The page's icon, of type `image/svg+xml`.
///
/// ```
/// assert!(routines_inspect::page::icon().starts_with("<svg"));
/// ```
pub fn icon() -> &'static str {
    include_str!("page/assets/icon.svg")
}
