//! Owns the W3C `baggage` header.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use crate::carrier::{Extract, split_once, trim};

/// How many members a header may have: as many as the specification makes every platform pass on.
///
/// ```
/// # use routines_http::baggage::{Baggage, MAX_MEMBERS};
/// let many: Vec<_> = (0..=MAX_MEMBERS).map(|n| format!("k{n}=v")).collect();
/// assert_eq!(Baggage::parse_lossy(&many).0.len(), MAX_MEMBERS);
/// ```
pub const MAX_MEMBERS: usize = 64;

/// How long a header may be, in and out: as long as the specification makes every platform pass on.
///
/// ```
/// # use routines_http::baggage::{Baggage, MAX_BYTES};
/// assert!(Baggage::parse([format!("a={}", "x".repeat(MAX_BYTES - 2))]).is_ok());
/// assert!(Baggage::parse([format!("a={}", "x".repeat(MAX_BYTES - 1))]).is_err());
/// ```
pub const MAX_BYTES: usize = 8192;

/// All that some peer may take for something else: whatever RFC 3986 does not call unreserved.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What callers tell everybody further down: ordered members, each a name, a value and maybe properties, in the format of
/// [W3C Baggage](https://www.w3.org/TR/baggage/).
///
/// Values are any text, and come out of [`header`](Baggage::header) and back unchanged; names are unique. A header never exceeds the
/// limits of the specification. Cloning is cheap, and an empty one has no memory of its own.
///
/// Values come from outside and may hold anything, line breaks too: do not write them where that matters.
///
/// ```
/// use routines_http::baggage::Baggage;
///
/// let mut baggage = Baggage::parse(["tenant=acme, plan=a%2Bb=;since=2024"])?;
/// assert_eq!(baggage.get("plan"), Some("a+b="));
/// baggage.insert("city", "São Paulo")?;
/// assert_eq!(baggage.header(), "tenant=acme,plan=a%2Bb%3D;since=2024,city=S%C3%A3o%20Paulo");
/// # Ok::<(), routines_http::baggage::BaggageError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Baggage(Option<Arc<Vec<Stored>>>);

#[derive(Clone, PartialEq, Eq)]
struct Stored {
    name: Box<str>,
    value: Box<str>,
    properties: Box<str>,
    /// How long it is when it is sent.
    written: usize,
}

/// One member of a [`Baggage`].
///
/// ```
/// # use routines_http::baggage::Baggage;
/// let baggage = Baggage::parse(["tenant = a%20b ; ttl = 5 ; secret"])?;
/// let tenant = baggage.iter().next().unwrap();
/// assert_eq!((tenant.name, tenant.value, tenant.properties), ("tenant", "a b", "ttl=5;secret"));
/// # Ok::<(), routines_http::baggage::BaggageError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name: a token, case-sensitive.
    pub name: &'a str,
    /// Its value, decoded.
    pub value: &'a str,
    /// What follows the first `;`, as it was sent but without white space: nobody but the parties knows what it means.
    pub properties: &'a str,
}

impl Baggage {
    /// One without members; allocates nothing.
    ///
    /// ```
    /// # use routines_http::baggage::Baggage;
    /// static NOTHING: Baggage = Baggage::new();
    /// assert!(NOTHING.is_empty());
    /// ```
    pub const fn new() -> Baggage {
        Baggage(None)
    }

    /// Reads the values of all `baggage` headers of a request, in their order, if nothing at all is wrong with them.
    ///
    /// Of members with the same name the last one counts, as with other implementations. See [`parse_lossy`](Baggage::parse_lossy)
    /// for what strangers send.
    ///
    /// Errors: the first thing wrong.
    ///
    /// ```
    /// # use routines_http::baggage::{Baggage, BaggageError};
    /// assert_eq!(Baggage::parse(["a=1", "b=2,a=3"])?.header(), "a=3,b=2");
    /// assert_eq!(Baggage::parse(["a=1,b"]), Err(BaggageError::Member));
    /// # Ok::<(), BaggageError>(())
    /// ```
    pub fn parse<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> Result<Baggage, BaggageError> {
        match Baggage::parse_lossy(lines) {
            (baggage, None) => Ok(baggage),
            (_, Some(wrong)) => Err(wrong),
        }
    }

    /// Reads what can be read: skips malformed members, stops at the first one that exceeds a limit, and tells the first thing wrong.
    ///
    /// Values are percent-decoded and nothing else: a `+` is a plus. What is no valid UTF-8 becomes U+FFFD, as the specification
    /// demands; a `%` without two hexadecimal digits stays as it is. Never looks at more than [`MAX_BYTES`].
    ///
    /// ```
    /// # use routines_http::baggage::{Baggage, BaggageError};
    /// let (baggage, wrong) = Baggage::parse_lossy(["a=%FF%41, b=c d, c=1+1%"]);
    /// assert_eq!(wrong, Some(BaggageError::Value));
    /// assert_eq!((baggage.get("a"), baggage.get("b"), baggage.get("c")), (Some("\u{fffd}A"), None, Some("1+1%")));
    /// ```
    pub fn parse_lossy<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> (Baggage, Option<BaggageError>) {
        let mut reader = Reader::default();
        let _stopped = lines.into_iter().try_for_each(|line| reader.line(line.as_ref()));
        (Baggage::of(reader.members), reader.wrong)
    }

    /// Reads what can be read of all `baggage` headers of a carrier, as [`parse_lossy`](Baggage::parse_lossy) does; without any,
    /// allocates nothing.
    ///
    /// ```
    /// # use routines_http::baggage::Baggage;
    /// let (baggage, wrong) = Baggage::extract(&[("Baggage", "a=1"), ("baggage", "b=2")]);
    /// assert_eq!((baggage.header().as_str(), wrong), ("a=1,b=2", None));
    /// ```
    pub fn extract(carrier: &(impl Extract + ?Sized)) -> (Baggage, Option<BaggageError>) {
        let mut reader = Reader::default();
        let mut so_far = ControlFlow::Continue(());
        carrier.each("baggage", &mut |line| {
            if so_far.is_continue() {
                so_far = reader.line(line);
            }
        });
        (Baggage::of(reader.members), reader.wrong)
    }

    /// The value with this name.
    ///
    /// ```
    /// # use routines_http::baggage::Baggage;
    /// assert_eq!(Baggage::parse(["tenant=a%3Db"])?.get("tenant"), Some("a=b"));
    /// # Ok::<(), routines_http::baggage::BaggageError>(())
    /// ```
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|member| member.name == name).map(|member| member.value)
    }

    /// Stores a value, without properties: in its place if there is such a member, else at the end.
    ///
    /// Errors: a name that is no token, or a header that would exceed a limit; nothing changes.
    ///
    /// ```
    /// # use routines_http::baggage::{Baggage, BaggageError};
    /// let mut baggage = Baggage::new();
    /// baggage.insert("tenant", "Müller & Co, Köln")?;
    /// assert_eq!(baggage.header(), "tenant=M%C3%BCller%20%26%20Co%2C%20K%C3%B6ln");
    /// assert_eq!(baggage.insert("two words", ""), Err(BaggageError::Name));
    /// # Ok::<(), BaggageError>(())
    /// ```
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), BaggageError> {
        self.insert_with_properties(name, value, "")
    }

    /// The same with properties: `key` or `key=value`, divided by `;`, encoded as they are to be sent.
    ///
    /// Errors: as [`insert`](Baggage::insert), and properties that the format cannot write.
    ///
    /// ```
    /// # use routines_http::baggage::{Baggage, BaggageError};
    /// let mut baggage = Baggage::new();
    /// baggage.insert_with_properties("tenant", "acme", "ttl=5;secret")?;
    /// assert_eq!(baggage.header(), "tenant=acme;ttl=5;secret");
    /// # Ok::<(), BaggageError>(())
    /// ```
    pub fn insert_with_properties(&mut self, name: &str, value: &str, properties: &str) -> Result<(), BaggageError> {
        let properties = checked_properties(properties.as_bytes())?;
        let new = Stored::new(token(name.as_bytes())?, value, &properties);
        let place = place(self.stored(), &new)?;
        put(Arc::make_mut(self.0.get_or_insert_default()), place, new);
        Ok(())
    }

    /// Removes a member; whether there was one.
    ///
    /// ```
    /// # use routines_http::baggage::Baggage;
    /// let mut baggage = Baggage::parse(["a=1,b=2"])?;
    /// assert!(baggage.remove("a") && !baggage.remove("a"));
    /// assert_eq!(baggage.header(), "b=2");
    /// # Ok::<(), routines_http::baggage::BaggageError>(())
    /// ```
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.len();
        self.retain(|member| member.name != name);
        self.len() < before
    }

    /// Keeps only the members that `keep` says yes to.
    ///
    /// ```
    /// # use routines_http::baggage::Baggage;
    /// let mut baggage = Baggage::parse(["tenant=1,secret=2"])?;
    /// baggage.retain(|member| ["tenant", "plan"].contains(&member.name));
    /// assert_eq!(baggage.header(), "tenant=1");
    /// # Ok::<(), routines_http::baggage::BaggageError>(())
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(Member<'_>) -> bool) {
        let Some(shared) = &mut self.0 else { return };
        let members = Arc::make_mut(shared);
        members.retain(|member| keep(member.shown()));
        if members.is_empty() {
            self.0 = None;
        }
    }

    /// The members, as they are sent.
    ///
    /// ```
    /// # use routines_http::baggage::Baggage;
    /// let baggage = Baggage::parse(["a=1,b=2"])?;
    /// assert!(baggage.iter().map(|member| member.name).eq(["a", "b"]));
    /// # Ok::<(), routines_http::baggage::BaggageError>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Member<'_>> {
        self.stored().iter().map(Stored::shown)
    }

    /// How many members there are.
    ///
    /// ```
    /// # use routines_http::baggage::Baggage;
    /// assert_eq!(Baggage::parse(["a=1,b=2"])?.len(), 2);
    /// # Ok::<(), routines_http::baggage::BaggageError>(())
    /// ```
    pub fn len(&self) -> usize {
        self.stored().len()
    }

    /// Whether there is nothing to send; then send no header.
    ///
    /// ```
    /// # use routines_http::baggage::Baggage;
    /// assert!(Baggage::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of the one header to send: visible ASCII, within the limits, the same for every peer.
    ///
    /// All but letters, digits and `-._~` is percent-encoded in values, also `+`, `=` and `%`, which other implementations get wrong.
    ///
    /// ```
    /// # use routines_http::baggage::Baggage;
    /// assert_eq!(Baggage::parse(["a = 50%25+1"])?.header(), "a=50%25%2B1");
    /// # Ok::<(), routines_http::baggage::BaggageError>(())
    /// ```
    pub fn header(&self) -> String {
        self.to_string()
    }

    fn of(members: Vec<Stored>) -> Baggage {
        Baggage(if members.is_empty() { None } else { Some(Arc::new(members)) })
    }

    fn stored(&self) -> &[Stored] {
        self.0.as_ref().map_or(&[], |members| members)
    }
}

impl fmt::Display for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Member { name, value, properties }) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let semicolon = if properties.is_empty() { "" } else { ";" };
            write!(f, "{comma}{name}={}{semicolon}{properties}", utf8_percent_encode(value, ESCAPED))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|member| (member.name, member.value))).finish()
    }
}

/// Why baggage is not taken, or not as a whole.
///
/// ```
/// # use routines_http::baggage::{Baggage, BaggageError};
/// assert_eq!(Baggage::parse(["a=1,=2"]), Err(BaggageError::Name));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaggageError {
    /// A member without `=`.
    #[error("a member of baggage is `name=value`: write the `=`, even if there is no value")]
    Member,
    /// Not a token.
    #[error("a name has letters, digits and ``!#$%&'*+-.^_`|~`` only, and at least one: rename it")]
    Name,
    /// A value with a character that has to be percent-encoded.
    #[error(
        "a value in a baggage header has visible ASCII characters without `\"`, `,`, `;` and `\\`: percent-encode the others"
    )]
    Value,
    /// A property that is neither a token nor `token=value`.
    #[error("a property is `key` or `key=value`, with a token for key: percent-encode what else the value has")]
    Property,
    /// More than 64 members.
    #[error("baggage has at most {MAX_MEMBERS} members: put fewer things in it")]
    TooMany,
    /// More than 8192 bytes as it is sent.
    #[error("baggage has at most {MAX_BYTES} bytes when it is percent-encoded: put fewer or shorter things in it")]
    TooLong,
}

impl Stored {
    fn new(name: &str, value: &str, properties: &str) -> Stored {
        let encoded: usize = utf8_percent_encode(value, ESCAPED).map(str::len).sum();
        let appended = if properties.is_empty() { 0 } else { 1 + properties.len() };
        let written = name.len() + 1 + encoded + appended;
        Stored { name: name.into(), value: value.into(), properties: properties.into(), written }
    }

    /// Only the first `=` divides, the value may have more of them.
    fn parse(member: &[u8]) -> Result<Stored, BaggageError> {
        let (member, properties) = split_once(member, b';').unwrap_or((member, &[]));
        let (name, value) = split_once(member, b'=').ok_or(BaggageError::Member)?;
        let (name, value) = (token(trim(name))?, octets(trim(value)).ok_or(BaggageError::Value)?);
        let value = percent_decode(value.as_bytes()).decode_utf8_lossy();
        Ok(Stored::new(name, &value, &checked_properties(properties)?))
    }

    fn shown(&self) -> Member<'_> {
        Member { name: &self.name, value: &self.value, properties: &self.properties }
    }
}

/// Where a member goes that replaces another or is appended; an error if the header became too big.
fn place(members: &[Stored], new: &Stored) -> Result<Option<usize>, BaggageError> {
    let known = members.iter().position(|member| member.name == new.name);
    if known.is_none() && members.len() == MAX_MEMBERS {
        return Err(BaggageError::TooMany);
    }
    let others = members.iter().filter(|member| member.name != new.name).map(|member| member.written + 1);
    if others.sum::<usize>() + new.written > MAX_BYTES {
        return Err(BaggageError::TooLong);
    }
    Ok(known)
}

fn put(members: &mut Vec<Stored>, place: Option<usize>, new: Stored) {
    match place {
        Some(at) => members[at] = new,
        None => members.push(new),
    }
}

/// Takes the lines of one request. Whatever returns `Break` has seen enough.
#[derive(Default)]
struct Reader {
    members: Vec<Stored>,
    /// Well-formed members, those included that were replaced later.
    seen: usize,
    /// Bytes of all lines, each with the comma that joins it to the next.
    read: usize,
    wrong: Option<BaggageError>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> ControlFlow<()> {
        let Some(room) = MAX_BYTES.checked_sub(self.read) else { return self.stop(BaggageError::TooLong) };
        self.read += line.len() + 1;
        let whole = whole_members(line, room);
        whole.split(|byte| *byte == b',').try_for_each(|member| self.member(trim(member)))?;
        if whole.len() < line.len() { self.stop(BaggageError::TooLong) } else { ControlFlow::Continue(()) }
    }

    fn member(&mut self, member: &[u8]) -> ControlFlow<()> {
        if member.is_empty() {
            return ControlFlow::Continue(());
        }
        match Stored::parse(member) {
            Ok(new) => self.take(new),
            Err(wrong) => {
                self.wrong.get_or_insert(wrong);
                ControlFlow::Continue(())
            }
        }
    }

    fn take(&mut self, new: Stored) -> ControlFlow<()> {
        if self.seen == MAX_MEMBERS {
            return self.stop(BaggageError::TooMany);
        }
        self.seen += 1;
        match place(&self.members, &new) {
            Ok(place) => put(&mut self.members, place, new),
            Err(wrong) => return self.stop(wrong),
        }
        ControlFlow::Continue(())
    }

    fn stop(&mut self, wrong: BaggageError) -> ControlFlow<()> {
        self.wrong.get_or_insert(wrong);
        ControlFlow::Break(())
    }
}

/// The members of the line that end within `room` bytes.
fn whole_members(line: &[u8], room: usize) -> &[u8] {
    match line.get(..=room) {
        None => line,
        Some(window) => &line[..window.iter().rposition(|byte| *byte == b',').unwrap_or(0)],
    }
}

/// Properties without white space and empty ones, divided by `;`.
fn checked_properties(text: &[u8]) -> Result<String, BaggageError> {
    let mut properties = String::new();
    for property in text.split(|byte| *byte == b';').map(trim).filter(|property| !property.is_empty()) {
        let (key, value) = split_once(property, b'=').map_or((property, None), |(key, value)| (key, Some(value)));
        let semicolon = if properties.is_empty() { "" } else { ";" };
        properties.extend([semicolon, token(trim(key)).map_err(|_| BaggageError::Property)?]);
        if let Some(value) = value {
            properties.extend(["=", octets(trim(value)).ok_or(BaggageError::Property)?]);
        }
    }
    Ok(properties)
}

/// A name, as RFC 7230 defines tokens.
fn token(text: &[u8]) -> Result<&str, BaggageError> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let text = str::from_utf8(text).ok().filter(|text| !text.is_empty() && text.as_bytes().iter().all(is_part));
    text.ok_or(BaggageError::Name)
}

/// A value as it is sent.
fn octets(text: &[u8]) -> Option<&str> {
    let is_octet = |byte: &u8| byte.is_ascii_graphic() && !b"\",;\\".contains(byte);
    str::from_utf8(text).ok().filter(|text| text.as_bytes().iter().all(is_octet))
}
