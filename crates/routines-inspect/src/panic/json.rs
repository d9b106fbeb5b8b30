//! Owns the report as a line of JSON.

use std::fmt::Write;
use std::panic::PanicHookInfo;
use std::time::{SystemTime, UNIX_EPOCH};

use routines::{RoutineId, RoutineInfo, State};
use serde::Serialize;

use super::lineage::{Above, Lineage};

/// Bytes of a report; one that would be longer is told without values.
const MOST: usize = 16 * 1024;

/// Bytes of a message that are shown.
const MESSAGE: usize = 2 * 1024;

/// What the panic itself tells.
pub(super) struct Said {
    message: String,
    location: Option<String>,
    unix_ms: u64,
}

impl Said {
    /// Runs in the hook.
    pub(super) fn of(panic: &PanicHookInfo<'_>) -> Said {
        let message = panic.payload_as_str().unwrap_or("a payload that is not text");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Said {
            message: message[..message.floor_char_boundary(MESSAGE)].to_owned(),
            location: panic.location().map(|at| format!("{}:{}:{}", at.file(), at.line(), at.column())),
            unix_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    event: &'static str,
    unix_ms: u64,
    message: &'a str,
    location: Option<&'a str>,
    routine: Told,
    parents: Vec<Told>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    Living(Box<RoutineInfo>),
    Ended { id: RoutineId, state: State },
    Unknown { id: RoutineId },
}

pub(super) fn write(said: &Said, lineage: Lineage) -> String {
    let id = lineage.id;
    let mut told = lineage.living.into_iter().map(|info| Told::Living(Box::new(info)));
    let routine = told.next().unwrap_or(Told::Unknown { id });
    let mut parents: Vec<Told> = told.collect();
    match lineage.above {
        Above::Nothing => {}
        Above::Ended(id) => parents.push(Told::Ended { id, state: State::Done }),
        Above::Foreign(id) | Above::More(id) => parents.push(Told::Unknown { id }),
    }
    let (message, location) = (&*said.message, said.location.as_deref());
    let mut line = Line { version: 1, event: "panic", unix_ms: said.unix_ms, message, location, routine, parents };
    let text = one_line(&line);
    if text.len() <= MOST {
        return text;
    }
    for told in line.parents.iter_mut().chain([&mut line.routine]) {
        if let Told::Living(info) = told {
            info.values.clear();
        }
    }
    one_line(&line)
}

fn one_line(line: &Line<'_>) -> String {
    let plain = serde_json::to_string(line).unwrap_or_default();
    let mut text = String::with_capacity(plain.len() + 1);
    for c in plain.chars() {
        // JSON leaves these alone, terminals and log shippers do not. They are in strings only, and below U+10000.
        let _ = match c {
            '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' => write!(text, "\\u{:04x}", u32::from(c)),
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => write!(text, "\\u{:04x}", u32::from(c)),
            _ => text.write_char(c),
        };
    }
    text.push('\n');
    text
}
