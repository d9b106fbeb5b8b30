//! Owns the dump of all live routines: text in the shape of Go's goroutine dump, the parser that reads it back, and JSON.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::id::RoutineId;
use crate::registry::Kind;
use crate::routine::{self, NamedValue, RoutineInfo, State};
use crate::shown::Shown;

/// Describes every live routine.
///
/// ```
/// use routines::{Dump, Local};
///
/// static REQUEST_ID: Local<&str> = Local::new().named("request_id");
///
/// REQUEST_ID.sync_scope("req-7", || {
///     let dump = routines::dump();
///     assert!(dump.to_string().contains(r#"[running] {request_id: "req-7"}:"#));
///     // The text is the slow, independent way to an id.
///     let read = Dump::parse(&dump.to_string()).unwrap();
///     assert!(read.routines.iter().any(|r| r.id == routines::id()));
/// });
/// ```
pub fn dump() -> Dump {
    Dump { version: VERSION, routines: routine::all() }
}

/// The version of the JSON form.
const VERSION: u32 = 1;

/// A description of routines, by id.
///
/// `Display` writes it in the shape of Go's goroutine dump; [`parse`](Self::parse) reads that back, with times to the
/// unit they were printed in.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Dump {
    /// Of the JSON form.
    pub version: u32,
    /// The routines.
    pub routines: Vec<RoutineInfo>,
}

impl Dump {
    /// The JSON form: `{"version": 1, "routines": [{"id": 18, "parent": 1, "kind": "task", …}]}`.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and lists of them can always be written")
    }

    /// Reads the JSON form back.
    ///
    /// # Errors
    ///
    /// If it is not what [`to_json`](Self::to_json) writes.
    pub fn from_json(json: &str) -> Result<Dump, ParseDumpError> {
        serde_json::from_str(json).map_err(|e| ParseDumpError { line: e.line(), what: "not the JSON form of a dump" })
    }

    /// Reads the text form back.
    ///
    /// Takes text from anywhere: time and memory are linear in its length.
    ///
    /// # Errors
    ///
    /// If it is not what `Display` writes; the error tells the line.
    pub fn parse(text: &str) -> Result<Dump, ParseDumpError> {
        let mut routines = Vec::new();
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty()).peekable();
        while let Some((number, head)) = lines.next() {
            let fail = |what| ParseDumpError { line: number + 1, what };
            let mut info = parse_head(head).map_err(fail)?;
            let (number, about) = lines.next().ok_or(fail("the routine's second line is missing"))?;
            parse_about(about, &mut info).map_err(|what| ParseDumpError { line: number + 1, what })?;
            if let Some((number, created)) = lines.next_if(|(_, line)| line.starts_with("created ")) {
                parse_created(created, &mut info).map_err(|what| ParseDumpError { line: number + 1, what })?;
            }
            routines.push(info);
        }
        Ok(Dump { version: VERSION, routines })
    }

    /// The same routines as a tree, children below the routine that started them.
    pub fn tree(&self) -> impl fmt::Display + '_ {
        Tree(self)
    }
}

// ===== writing =====

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, info) in self.routines.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write_routine(f, info)?;
        }
        Ok(())
    }
}

/// One entry of a dump.
///
/// ```
/// let mine = routines::current().info().unwrap().to_string();
/// let read = routines::Dump::parse(&mine).unwrap();
/// assert_eq!(read.routines[0].id, routines::id());
/// ```
impl fmt::Display for RoutineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_routine(f, self)
    }
}

fn write_routine(f: &mut fmt::Formatter<'_>, info: &RoutineInfo) -> fmt::Result {
    write_head(f, info)?;
    write!(f, ":\n\t{}", info.kind)?;
    if let Some(name) = &info.name {
        write!(f, " {}", quoted(name))?;
    }
    writeln!(f, ", age {}, {} polls", Coarse(info.age), info.polls)?;
    match (&info.spawned_at, info.parent) {
        (Some(at), Some(parent)) => writeln!(f, "created by {}{IN_ROUTINE}{parent}", place(at)),
        (Some(at), None) => writeln!(f, "created by {}", place(at)),
        (None, Some(parent)) => writeln!(f, "created{IN_ROUTINE}{parent}"),
        (None, None) => Ok(()),
    }
}

fn write_head(f: &mut fmt::Formatter<'_>, info: &RoutineInfo) -> fmt::Result {
    write!(f, "routine {} [{}", info.id, info.state)?;
    if let Some(idle) = info.idle {
        write!(f, ", {}", Coarse(idle))?;
    }
    f.write_str("]")?;
    for (index, (name, value)) in info.values.iter().enumerate() {
        write!(f, "{}{}: {}", if index == 0 { " {" } else { ", " }, word(name), scalar(value))?;
    }
    f.write_str(if info.values.is_empty() { "" } else { "}" })
}

/// Text as it is where nothing in it can be taken for the dump's own punctuation, and quoted elsewhere.
fn word(text: &str) -> Cow<'_, str> {
    let odd = |c: char| Shown::is_unsafe(c) || matches!(c, '"' | ':' | ',' | '{' | '}');
    if text.is_empty() || text.contains(odd) { Cow::Owned(quoted(text)) } else { Cow::Borrowed(text) }
}

/// A spawn line, quoted where it could not be told from what follows it.
fn place(text: &str) -> Cow<'_, str> {
    let odd = text.is_empty() || text.contains(IN_ROUTINE) || text.contains(|c: char| Shown::is_unsafe(c) || c == '"');
    if odd { Cow::Owned(quoted(text)) } else { Cow::Borrowed(text) }
}

const IN_ROUTINE: &str = " in routine ";

fn scalar(value: &NamedValue) -> String {
    match value {
        NamedValue::Str(text) => quoted(text),
        NamedValue::Bool(v) => v.to_string(),
        NamedValue::U64(v) => v.to_string(),
        NamedValue::I64(v) => v.to_string(),
        NamedValue::F64(_) => serde_json::to_string(value).unwrap_or_default(),
    }
}

/// Text in quotation marks as dumps write it: JSON's, with [unsafe characters](Shown::is_unsafe) escaped as well.
///
/// ```
/// assert_eq!(routines::quoted("a\"b\u{202e}"), r#""a\"b\u202e""#);
/// ```
pub fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        // JSON leaves these alone, terminals and log shippers do not.
        match Shown::is_unsafe(c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

/// A duration in its largest whole unit.
struct Coarse(Duration);

const UNITS: [(&str, u128); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl fmt::Display for Coarse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let (unit, size) = UNITS.into_iter().find(|(_, size)| millis >= *size).unwrap_or(("ms", 1));
        write!(f, "{}{unit}", millis / size)
    }
}

struct Tree<'a>(&'a Dump);

impl fmt::Display for Tree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present: HashSet<RoutineId> = self.0.routines.iter().map(|info| info.id).collect();
        let mut children: HashMap<Option<RoutineId>, Vec<&RoutineInfo>> = HashMap::new();
        for info in &self.0.routines {
            // A routine whose parent has ended stands at the root.
            let parent = info.parent.filter(|parent| present.contains(parent));
            children.entry(parent).or_default().push(info);
        }
        let mut roots = Some(None);
        while let Some(root) = roots {
            write_subtrees(f, &mut children, root)?;
            // What is left hangs in a circle, which only a dump from outside can hold: enter it anywhere.
            roots = children.keys().min().copied();
        }
        Ok(())
    }
}

/// Lines of a tree are not indented further than this: what is deeper is seen to be, and the text does not grow with the square.
const DEEPEST: usize = 200;

fn write_subtrees(
    f: &mut fmt::Formatter<'_>,
    children: &mut HashMap<Option<RoutineId>, Vec<&RoutineInfo>>,
    root: Option<RoutineId>,
) -> fmt::Result {
    let mut stack: Vec<(usize, &RoutineInfo)> = Vec::new();
    push_children(&mut stack, children, root, 0);
    while let Some((depth, info)) = stack.pop() {
        write!(f, "{:indent$}", "", indent = depth.min(DEEPEST) * 2)?;
        write_head(f, info)?;
        write!(f, " {}", info.kind)?;
        if let Some(name) = &info.name {
            write!(f, " {}", quoted(name))?;
        }
        if let Some(at) = &info.spawned_at {
            write!(f, " from {}", place(at))?;
        }
        f.write_str("\n")?;
        push_children(&mut stack, children, Some(info.id), depth + 1);
    }
    Ok(())
}

/// Takes each list of children once, so that a dump with a circle in it ends too.
fn push_children<'a>(
    stack: &mut Vec<(usize, &'a RoutineInfo)>,
    children: &mut HashMap<Option<RoutineId>, Vec<&'a RoutineInfo>>,
    of: Option<RoutineId>,
    depth: usize,
) {
    stack.extend(children.remove(&of).unwrap_or_default().into_iter().rev().map(|info| (depth, info)));
}

// ===== reading =====

type Parsed<T> = Result<T, &'static str>;

fn parse_head(line: &str) -> Parsed<RoutineInfo> {
    let rest = line.strip_prefix("routine ").ok_or("expected `routine <id> [<state>]:`")?;
    let (id, rest) = rest.split_once(" [").ok_or("expected ` [` after the id")?;
    let (state, rest) = rest.split_once(']').ok_or("expected `]` after the state")?;
    let (state, idle) = match state.split_once(", ") {
        Some((state, idle)) => (state, Some(parse_duration(idle)?)),
        None => (state, None),
    };
    Ok(RoutineInfo {
        id: RoutineId::from_str(id).map_err(|_| "not a routine id")?,
        parent: None,
        kind: Kind::Thread,
        name: None,
        spawned_at: None,
        state: named(&State::ALL, state).ok_or("unknown state")?,
        idle,
        age: Duration::ZERO,
        polls: 0,
        busy: None,
        values: parse_values(rest)?,
    })
}

fn parse_values(rest: &str) -> Parsed<Vec<(String, NamedValue)>> {
    let mut values = Vec::new();
    let Some(mut rest) = rest.strip_prefix(" {") else {
        return if rest == ":" { Ok(values) } else { Err("expected ` {` or `:` after the state") };
    };
    loop {
        let (name, tail) = match rest.starts_with('"') {
            true => parse_json::<String>(rest)?,
            false => rest.split_once(':').map(|(name, _)| (name.to_owned(), &rest[name.len()..])).ok_or(NAME)?,
        };
        let (value, tail) = parse_json::<NamedValue>(tail.strip_prefix(": ").ok_or(NAME)?)?;
        rest = tail;
        values.push((name, value));
        match rest.strip_prefix(", ") {
            Some(more) => rest = more,
            None if rest == "}:" => return Ok(values),
            None => return Err("expected `, ` or `}:` after a value"),
        }
    }
}

const NAME: &str = "expected `name: value`";

/// Reads one JSON value off the front.
fn parse_json<T: serde::de::DeserializeOwned>(text: &str) -> Parsed<(T, &str)> {
    let mut read = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = read.next().ok_or("expected a value")?.map_err(|_| "not a string, number or truth value")?;
    Ok((value, &text[read.byte_offset()..]))
}

fn parse_about(line: &str, info: &mut RoutineInfo) -> Parsed<()> {
    let line = line.strip_prefix('\t').ok_or("expected an indented `<kind>, age …`")?;
    let line = line.strip_suffix(" polls").ok_or("expected `<n> polls` at the end")?;
    let (line, polls) = line.rsplit_once(", ").ok_or("expected `, <n> polls`")?;
    let (line, age) = line.rsplit_once(", age ").ok_or("expected `, age <time>`")?;
    let (kind, name) = match line.split_once(' ') {
        Some((kind, name)) => (kind, Some(serde_json::from_str(name).map_err(|_| "expected a quoted name")?)),
        None => (line, None),
    };
    info.kind = named(&Kind::ALL, kind).ok_or("unknown kind")?;
    info.name = name;
    info.age = parse_duration(age)?;
    info.polls = polls.parse().map_err(|_| "expected a number of polls")?;
    Ok(())
}

fn parse_created(line: &str, info: &mut RoutineInfo) -> Parsed<()> {
    let rest = line.strip_prefix("created").ok_or("expected `created`")?;
    let parent = match rest.strip_prefix(" by ") {
        Some(place) => {
            let (place, parent) = parse_place(place)?;
            info.spawned_at = Some(place);
            parent
        }
        None => rest,
    };
    if !parent.is_empty() {
        let parent = parent.strip_prefix(IN_ROUTINE).ok_or("expected ` in routine <id>`")?;
        info.parent = Some(parent.parse().map_err(|_| "not a routine id")?);
    }
    Ok(())
}

/// Splits a spawn line from what follows it.
fn parse_place(text: &str) -> Parsed<(String, &str)> {
    if text.starts_with('"') {
        return parse_json(text);
    }
    let end = text.find(IN_ROUTINE).unwrap_or(text.len());
    Ok((text[..end].to_owned(), &text[end..]))
}

fn parse_duration(text: &str) -> Parsed<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or("a time needs a unit")?;
    let (number, unit) = text.split_at(digits);
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or("unknown unit of time")?;
    let millis = number.parse::<u64>().ok().and_then(|n| n.checked_mul(u64::try_from(size).ok()?));
    millis.map(Duration::from_millis).ok_or("not a time")
}

fn named<T: Copy>(all: &[(T, &str)], name: &str) -> Option<T> {
    all.iter().find(|(_, known)| *known == name).map(|(value, _)| *value)
}

/// The text is not a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseDumpError {
    line: usize,
    what: &'static str,
}

impl ParseDumpError {
    /// The line that could not be read, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for ParseDumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a dump of routines: line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ParseDumpError {}
