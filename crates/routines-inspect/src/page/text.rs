//! Owns how text from outside and times read in text views: as in a dump of the core.

use std::borrow::Cow;
use std::time::Duration;

use routines::Shown;
pub(super) use routines::quoted;

/// A spawn line, quoted where it could not be told from what follows it.
pub(super) fn place(at: &str) -> Cow<'_, str> {
    let odd = at.is_empty() || at.contains(" [") || at.contains(|c: char| Shown::is_unsafe(c) || c == '"');
    if odd { Cow::Owned(quoted(at)) } else { Cow::Borrowed(at) }
}

/// A duration in its largest whole unit.
pub(super) fn coarse(time: Duration) -> String {
    let millis = time.as_millis();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let (unit, size) = units.into_iter().find(|(_, size)| millis >= *size).unwrap_or(("ms", 1));
    format!("{}{unit}", millis / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_could_be_taken_for_something_else_is_quoted() {
        assert_eq!(place("src/my app.rs:3"), "src/my app.rs:3");
        for odd in ["", "a [idle].rs:3", "a\nb.rs:3", "a\u{202e}.rs:3", "a\".rs:3"] {
            assert!(place(odd).starts_with('"') && place(odd).ends_with('"'), "{odd:?}");
        }
    }
}
