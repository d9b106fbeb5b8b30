//! Owns carriers: whatever has headers, or something like them.

mod env;
mod headers;
mod maps;

use std::fmt;
use std::ops::Deref;

use http::HeaderName;

pub use env::Env;

/// Something that arrived with headers: an HTTP request, a message, the environment of this process.
///
/// What it gives out is as it came: bytes, maybe hostile ones. Implement it for the messages of your queue; the reader ignores case.
///
/// ```
/// use routines_http::carrier::Extract;
///
/// /// A message whose headers are a list of texts, `name: value`.
/// struct Message(Vec<String>);
///
/// impl Extract for Message {
///     fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
///         for (known, value) in self.0.iter().filter_map(|line| line.split_once(": ")) {
///             if known.eq_ignore_ascii_case(name) {
///                 visit(value.as_bytes());
///             }
///         }
///     }
/// }
///
/// let message = Message(vec!["Baggage: tenant=acme".into()]);
/// let mut seen = 0;
/// message.each("baggage", &mut |_| seen += 1);
/// assert_eq!(seen, 1);
/// ```
pub trait Extract {
    /// Shows every value of the header with this name, in their order; names are equal whatever their case.
    ///
    /// ```
    /// # use routines_http::carrier::Extract;
    /// let headers = [("Baggage", "a=1"), ("host", "localhost"), ("baggage", "b=2")];
    /// let mut values = vec![];
    /// headers.each("BAGGAGE", &mut |value| values.push(value.to_vec()));
    /// assert_eq!(values, [b"a=1", b"b=2"]);
    /// ```
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8]));
}

/// Something that is about to leave with headers: an HTTP request, a message, a child process.
///
/// Implement [`put`](Inject::put) for the messages of your queue and call [`set`](Inject::set).
///
/// ```
/// use routines_http::carrier::{Inject, Text};
/// use http::HeaderName;
///
/// /// A message whose headers are a list of texts, `name: value`.
/// struct Message(Vec<String>);
///
/// impl Inject for Message {
///     fn put(&mut self, name: &HeaderName, value: Text<'_>) {
///         self.remove(name);
///         self.0.push(format!("{name}: {value}"));
///     }
///
///     fn remove(&mut self, name: &HeaderName) {
///         self.0.retain(|line| line.split_once(": ").is_none_or(|(known, _)| !known.eq_ignore_ascii_case(name.as_str())));
///     }
/// }
///
/// let mut message = Message(vec!["Baggage: tenant=acme".into()]);
/// message.set(&HeaderName::from_static("baggage"), "tenant=blue")?;
/// assert_eq!(message.0, ["baggage: tenant=blue"]);
/// # Ok::<(), routines_http::carrier::BadValue>(())
/// ```
pub trait Inject {
    /// Writes a header, instead of all that it had before.
    fn put(&mut self, name: &HeaderName, value: Text<'_>);

    /// Removes a header, whatever its case: what a child process or a reused message inherited must not leave with it.
    ///
    /// ```
    /// # use {http::HeaderName, routines_http::carrier::Inject, std::collections::HashMap};
    /// let mut headers = HashMap::from([("Baggage".to_owned(), "tenant=acme".to_owned())]);
    /// Inject::remove(&mut headers, &HeaderName::from_static("baggage"));
    /// assert!(headers.is_empty());
    /// ```
    fn remove(&mut self, name: &HeaderName);

    /// Writes a header if every carrier can write it, else removes it: no part of what was there before stays.
    ///
    /// Errors: a value that is no [`Text`].
    ///
    /// ```
    /// # use {http::{HeaderMap, HeaderName}, routines_http::carrier::Inject};
    /// let name = HeaderName::from_static("x-region");
    /// let mut headers = HeaderMap::new();
    /// headers.set(&name, "eu-central")?;
    /// assert!(headers.set(&name, "eu\r\nx-admin: yes").is_err());
    /// assert!(headers.is_empty());
    /// # Ok::<(), routines_http::carrier::BadValue>(())
    /// ```
    fn set(&mut self, name: &HeaderName, value: &str) -> Result<(), BadValue> {
        match Text::new(value) {
            Ok(value) => self.put(name, value),
            Err(bad) => {
                self.remove(name);
                return Err(bad);
            }
        }
        Ok(())
    }
}

/// What every carrier can carry and every peer reads the same: visible ASCII with blanks inside, at most [`MAX`](Text::MAX) bytes.
///
/// There is no other way to a carrier, so nobody can smuggle a header in behind a line break.
///
/// ```
/// use routines_http::carrier::{BadValue, Text};
///
/// assert_eq!(&*Text::new("two words")?, "two words");
/// assert_eq!(Text::new("a\r\nb"), Err(BadValue::Character));
/// assert_eq!(Text::new("São Paulo"), Err(BadValue::Character));
/// assert_eq!(Text::new(" a"), Err(BadValue::Padding));
/// # Ok::<(), BadValue>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// As long as baggage may be, and what common servers take at least.
    pub const MAX: usize = 8192;

    /// Checks a value; looks at [`MAX`](Text::MAX) bytes at most, allocates nothing.
    ///
    /// ```
    /// # use routines_http::carrier::Text;
    /// assert!(Text::new("").is_ok());
    /// assert!(Text::new(&"x".repeat(Text::MAX + 1)).is_err());
    /// ```
    pub fn new(value: &'a str) -> Result<Text<'a>, BadValue> {
        if value.len() > Text::MAX {
            return Err(BadValue::TooLong);
        }
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(BadValue::Character);
        }
        if trim(value.as_bytes()).len() < value.len() { Err(BadValue::Padding) } else { Ok(Text(value)) }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// Why a value is not sent.
///
/// ```
/// # use routines_http::carrier::{BadValue, Text};
/// assert_eq!(Text::new("a\0b"), Err(BadValue::Character));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadValue {
    /// A line break, another control character, or something outside ASCII.
    #[error("a header has visible ASCII characters and blanks only: percent-encode the others")]
    Character,
    /// A blank at the start or at the end, which many peers would cut.
    #[error("a header has no blank at its start or end: percent-encode it")]
    Padding,
    /// Longer than common servers take.
    #[error("a header has at most {} bytes: send a reference instead", Text::MAX)]
    TooLong,
}

impl<C: Extract + ?Sized> Extract for &C {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        (**self).each(name, visit);
    }
}

impl<C: Inject + ?Sized> Inject for &mut C {
    fn put(&mut self, name: &HeaderName, value: Text<'_>) {
        (**self).put(name, value);
    }

    fn remove(&mut self, name: &HeaderName) {
        (**self).remove(name);
    }
}

/// Without optional white space, which in HTTP is blanks and tabs and nothing else.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// What is before and after the first `by`.
pub(crate) fn split_once(text: &[u8], by: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == by)?;
    Some((&text[..at], &text[at + 1..]))
}
