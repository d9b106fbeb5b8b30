//! Owns how things are written for a terminal: text without a character that it would obey, and short times and counts.

use std::fmt;
use std::time::Duration;

use routines::Shown;

/// Text that is safe to show: of bounded length, and with nothing in it that moves a cursor or turns the direction of writing.
///
/// ```
/// use routines_cli::text::Plain;
///
/// assert_eq!(Plain::new("a\u{1b}[2Jb").as_str(), r"a\u{1b}[2Jb");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plain(String);

/// Longer text is cut: no line of a terminal has more room.
const LONGEST: usize = 1_000;

impl Plain {
    /// Escapes what is not safe and cuts what is too long.
    pub fn new(text: &str) -> Plain {
        let mut plain = String::new();
        let mut chars = text.chars();
        for c in chars.by_ref().take(LONGEST) {
            if obeyed(c) { plain.extend(c.escape_unicode()) } else { plain.push(c) }
        }
        if chars.next().is_some() {
            plain.push('…');
        }
        Plain(plain)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether a terminal acts on a character, or shows nothing for it: controls, separators of lines, marks of direction, no width.
pub fn obeyed(c: char) -> bool {
    let unseen = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    Shown::is_unsafe(c) || unseen
}

/// A time in at most five characters, in its largest unit: `56ms`, `12s`, `3h`.
///
/// ```
/// assert_eq!(routines_cli::text::age(std::time::Duration::from_secs(7_300)), "2h");
/// ```
pub fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        86_400..864_000_000 => format!("{}d", seconds / 86_400),
        _ => ">9999d".to_owned(),
    }
}

/// A time in at most six characters, with a digit after the point where there is room: `950us`, `12.3ms`, `4.0s`.
///
/// ```
/// assert_eq!(routines_cli::text::busy(std::time::Duration::from_micros(12_345)), "12.3ms");
/// ```
pub fn busy(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1_000 => format!("{micros}us"),
        micros @ 1_000..100_000 => format!("{}.{}ms", micros / 1_000, micros / 100 % 10),
        micros @ 100_000..1_000_000 => format!("{}ms", micros / 1_000),
        micros @ 1_000_000..60_000_000 => format!("{}.{}s", micros / 1_000_000, micros / 100_000 % 10),
        _ => age(time),
    }
}

/// A count in at most six characters: `99999`, `123k`, `4.5G`.
///
/// ```
/// assert_eq!(routines_cli::text::count(1_234_567), "1.2M");
/// ```
pub fn count(count: u64) -> String {
    if count < 100_000 {
        return count.to_string();
    }
    let (unit, size) = [("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000)]
        .into_iter()
        .find(|(_, size)| count / size < 1_000)
        .unwrap_or(("E", 1_000_000_000_000_000_000));
    if count / size < 10 {
        format!("{}.{}{unit}", count / size, count / (size / 10) % 10)
    } else {
        format!("{}{unit}", count / size)
    }
}

/// A whole number with its thousands apart: `100 000`.
///
/// ```
/// assert_eq!(routines_cli::text::grouped(100_000), "100 000");
/// ```
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
