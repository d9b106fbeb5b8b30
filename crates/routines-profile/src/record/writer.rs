//! Owns the writing of one record: limits, head, attributes, and the label set of the custom-labels ABI.

use std::fmt::{self, Write};

use routines::Shown;

use super::{ATTRS_AT, FRONT, keys};

/// How many bytes of a label's text a record keeps.
pub const MAX_VALUE: usize = 48;
/// How many labels a record keeps.
pub const MAX_LABELS: usize = 10;
/// How many bytes the attributes of a record take at most: two a label, and its text.
pub const MAX_ATTRS: usize = 256;

/// Where the attributes start, in bytes from the first word.
const ATTRS: usize = FRONT * 8 + ATTRS_AT;
const HEAD: usize = (FRONT + 1) * 8;
/// The words of one label in a label set: address and length of its key, and of its value.
const LABEL: usize = 4;
const LABEL_WORDS: usize = if FRONT == 0 { 0 } else { LABEL };
const MAX_WORDS: usize = (ATTRS + MAX_ATTRS).div_ceil(8) + MAX_LABELS * LABEL_WORDS;

pub(super) struct Writer {
    words: [u64; MAX_WORDS],
    /// Bytes of attributes.
    used: usize,
    labels: usize,
    trace: Option<u128>,
    span: Option<u64>,
    flags: u8,
}

impl Writer {
    #[inline]
    pub(super) fn new() -> Self {
        Writer { words: [0; MAX_WORDS], used: 0, labels: 0, trace: None, span: None, flags: 0 }
    }

    /// Adds a label, if it fits.
    #[inline]
    pub(super) fn push(&mut self, name: &'static str, value: Shown<'_>) {
        if let Shown::Str(value) = value {
            return self.push_text(name, &value.as_bytes()[..value.floor_char_boundary(MAX_VALUE)]);
        }
        let mut text = Text { bytes: [0; MAX_VALUE], len: 0, full: false };
        // Only a user's own code can fail, and labels run none.
        write!(text, "{value}").unwrap_or(());
        self.push_text(name, text.as_bytes());
    }

    #[inline]
    fn push_text(&mut self, name: &'static str, text: &[u8]) {
        self.head(name, text);
        self.attribute(name, text);
    }

    fn attribute(&mut self, name: &'static str, value: &[u8]) {
        let end = self.used + 2 + value.len();
        if self.labels == MAX_LABELS || end > MAX_ATTRS {
            return;
        }
        let Some(key) = keys::index(name) else { return };
        let attrs = &mut bytes(&mut self.words)[ATTRS..];
        attrs[self.used..self.used + 2].copy_from_slice(&[key, value.len() as u8]);
        attrs[self.used + 2..end].copy_from_slice(value);
        self.used = end;
        self.labels += 1;
    }

    /// Takes what belongs to the head, if it is well-formed: text cut at [`MAX_VALUE`] is longer than any of these.
    fn head(&mut self, name: &str, value: &[u8]) {
        match name {
            "trace_id" => self.trace = hex(value, 32),
            "span_id" => self.span = hex(value, 16).map(|id| id as u64),
            "trace_flags" => self.flags = hex(value, 2).unwrap_or(0) as u8,
            _ => {}
        }
    }

    /// The words of the record, those in [`FRONT`] included.
    #[inline]
    pub(super) fn finish(&mut self, account: Option<fn(&[u8]) -> u32>) -> &[u64] {
        let (used, trace) = (self.used, self.trace.zip(self.span));
        let flags = self.flags;
        let all = bytes(&mut self.words);
        let account = account.map_or(0, |of| of(&all[ATTRS..ATTRS + used]));
        all[FRONT * 8..][..4].copy_from_slice(&account.to_ne_bytes());
        all[FRONT * 8 + 4..][..4].copy_from_slice(&(used as u32).to_ne_bytes());
        // The format has both ids or neither, and ids of zero are none.
        if let Some((trace, span)) = trace.filter(|(trace, span)| *trace != 0 && *span != 0) {
            all[HEAD..][..16].copy_from_slice(&trace.to_be_bytes());
            all[HEAD + 16..][..8].copy_from_slice(&span.to_be_bytes());
            all[HEAD + 25] = flags;
        }
        all[HEAD + 24] = 1;
        all[HEAD + 26..][..2].copy_from_slice(&(used as u16).to_ne_bytes());
        &self.words[..(ATTRS + used).div_ceil(8) + self.labels * LABEL_WORDS]
    }
}

/// Writes the label set of a record that is in its final place: the addresses of its keys' names and of its own values.
#[cfg(feature = "custom-labels")]
pub(super) fn point(words: &mut [u64]) {
    let at = words.as_ptr().expose_provenance();
    let used = super::attrs_of(&words[FRONT..]).len();
    let (record, set) = words.split_at_mut((ATTRS + used).div_ceil(8));
    let mut label = 0;
    let mut next = ATTRS;
    while next < ATTRS + used {
        let all = bytes(record);
        let (key, len) = (all[next], all[next + 1]);
        // Every key in a record has a name: the index comes from the table.
        let name = keys::key_name(key).unwrap_or_default();
        set[label * LABEL..][..LABEL].copy_from_slice(&[
            name.len() as u64,
            name.as_ptr().expose_provenance() as u64,
            len.into(),
            (at + next + 2) as u64,
        ]);
        label += 1;
        next += 2 + usize::from(len);
    }
    let storage = (at + record.len() * 8) as u64;
    record[..FRONT].copy_from_slice(&[storage, label as u64, label as u64]);
}

fn bytes(words: &mut [u64]) -> &mut [u8] {
    bytemuck::cast_slice_mut(words)
}

/// The number that exactly `digits` hex digits write.
fn hex(text: &[u8], digits: usize) -> Option<u128> {
    let all = text.len() == digits && text.iter().all(u8::is_ascii_hexdigit);
    all.then(|| u128::from_str_radix(str::from_utf8(text).ok()?, 16).ok())?
}

/// The text of a value, cut on a character's border.
struct Text {
    bytes: [u8; MAX_VALUE],
    len: usize,
    full: bool,
}

impl Text {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.full { 0 } else { MAX_VALUE - self.len };
        let cut = text.floor_char_boundary(room);
        self.bytes[self.len..self.len + cut].copy_from_slice(&text.as_bytes()[..cut]);
        self.len += cut;
        self.full |= cut < text.len();
        Ok(())
    }
}
