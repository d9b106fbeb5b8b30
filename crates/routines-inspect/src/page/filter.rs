//! Owns which routines a filter's words match.

use std::borrow::Cow;

use routines::{NamedValue, RoutineId, RoutineInfo};

/// Words, all of which must match.
pub(super) struct Filter(Vec<Word>);

enum Word {
    /// Somewhere in the routine's text; or its id.
    Text(String, Option<RoutineId>),
    /// A named value, or a fact of that name, that reads so; empty: is there.
    Pair(String, String),
}

impl Filter {
    pub(super) fn new(words: &str) -> Filter {
        Filter(split(words).into_iter().map(Word::new).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn matches(&self, info: &RoutineInfo) -> bool {
        self.0.iter().all(|word| word.matches(info))
    }
}

impl Word {
    fn new(word: String) -> Word {
        match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => Word::Pair(key.to_owned(), value.to_owned()),
            _ => {
                let id = word.parse().ok();
                Word::Text(word, id)
            }
        }
    }

    fn matches(&self, info: &RoutineInfo) -> bool {
        match self {
            Word::Text(text, id) => *id == Some(info.id) || has_text(info, text),
            Word::Pair(key, value) => {
                let named = info.values.iter().find(|(name, _)| name == key);
                named.is_some_and(|(_, named)| like(&shown(named), value))
                    || fact(info, key).is_some_and(|fact| like(&fact, value))
            }
        }
    }
}

fn has_text(info: &RoutineInfo, text: &str) -> bool {
    let own = [info.name.as_deref(), info.spawned_at.as_deref()];
    own.into_iter().flatten().any(|own| contains(own, text))
        || info.values.iter().any(|(name, value)| contains(name, text) || contains(&shown(value), text))
}

fn like(have: &str, want: &str) -> bool {
    want.is_empty() || have.eq_ignore_ascii_case(want)
}

fn fact(info: &RoutineInfo, key: &str) -> Option<String> {
    match key {
        "id" => Some(info.id.to_string()),
        "parent" => info.parent.map(|parent| parent.to_string()),
        "kind" => Some(info.kind.to_string()),
        "name" => info.name.clone(),
        "state" => Some(info.state.to_string()),
        "spawned_at" => info.spawned_at.clone(),
        _ => None,
    }
}

/// A value's text, as the page shows it.
pub(super) fn shown(value: &NamedValue) -> Cow<'_, str> {
    match value {
        NamedValue::Str(text) => Cow::Borrowed(text),
        other => Cow::Owned(serde_json::to_string(other).unwrap_or_default()),
    }
}

fn contains(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Splits at spaces that are not between quotation marks.
fn split(words: &str) -> Vec<String> {
    let (mut all, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in words.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => all.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    all.push(word);
    all.retain(|word| !word.is_empty());
    all
}
