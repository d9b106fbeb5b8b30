//! Owns which characters may not reach a line raw, and how they are written instead. Knows no log format.

use std::fmt::{self, Write};

use routines::Shown;

/// Writes everything through, unsafe characters as the escapes that JSON has for them.
pub(crate) struct OneLine<W>(pub(crate) W);

impl<W: Write> Write for OneLine<W> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        if is_printable_ascii(text) {
            return self.0.write_str(text);
        }
        while let Some((at, c)) = text.char_indices().find(|(_, c)| Shown::is_unsafe(*c)) {
            self.0.write_str(&text[..at])?;
            write_escape(&mut self.0, c)?;
            text = &text[at + c.len_utf8()..];
        }
        self.0.write_str(text)
    }
}

/// Most text is, and bytes are cheaper to look through than characters.
fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn write_escape(out: &mut impl Write, c: char) -> fmt::Result {
    match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        other => write!(out, "\\u{:04x}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unsafe_character_has_four_digits() {
        assert!((0x10000..=0x10FFFF).filter_map(char::from_u32).all(|c| !Shown::is_unsafe(c)));
    }

    #[test]
    fn ordinary_text_in_any_script_is_left_alone() {
        let text = "naïve \"Ωμέγα\" 東京 e\u{301} 👩\u{200D}🚀 \\ =";
        assert!(!text.contains(Shown::is_unsafe));
    }
}
