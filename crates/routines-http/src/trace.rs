//! Owns the W3C `traceparent` header: trace and span ids, flags.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::ops::BitOr;
use std::str::FromStr;

use const_hex::Buffer;

use crate::carrier::{Extract, trim};
use crate::trace_state::TraceState;

/// What a header of the version that this crate writes is long; later versions may only add to it.
const LENGTH: usize = 55;

/// Names a whole trace, across all processes: 16 bytes, never all zero.
///
/// Shown as 32 lower-case hexadecimal digits, in headers as in logs. Plain data: free to copy, send and compare.
///
/// ```
/// use routines_http::trace::TraceId;
///
/// let id: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse()?;
/// assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_ne!(TraceId::random(), TraceId::random());
/// # Ok::<(), routines_http::trace::ParseTraceError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(NonZeroU128);

impl TraceId {
    /// Makes an id that nobody else has: all 128 bits come from the thread's cryptographic generator.
    ///
    /// Panics only if the operating system cannot seed that generator.
    ///
    /// ```
    /// # use routines_http::trace::TraceId;
    /// assert_eq!(TraceId::random().to_string().len(), 32);
    /// ```
    pub fn random() -> TraceId {
        TraceId(rand::random())
    }

    /// Takes the 16 bytes as other tracing libraries hold them; `None` if all are zero, which the format forbids.
    ///
    /// ```
    /// # use routines_http::trace::TraceId;
    /// assert_eq!(TraceId::from_bytes([1; 16]).unwrap().to_bytes(), [1; 16]);
    /// assert_eq!(TraceId::from_bytes([0; 16]), None);
    /// ```
    pub const fn from_bytes(bytes: [u8; 16]) -> Option<TraceId> {
        match NonZeroU128::new(u128::from_be_bytes(bytes)) {
            Some(id) => Some(TraceId(id)),
            None => None,
        }
    }

    /// The 16 bytes, in the order in which they are written. See [`from_bytes`](TraceId::from_bytes).
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Buffer::<16>::new().format(&self.to_bytes()))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TraceId {
    type Err = ParseTraceError;

    fn from_str(text: &str) -> Result<TraceId, ParseTraceError> {
        let digits = text.as_bytes().try_into().map_err(|_| ParseTraceError::TraceId)?;
        trace_id(digits).ok_or(ParseTraceError::TraceId)
    }
}

/// Names one step of a trace, such as one call: 8 bytes, never all zero.
///
/// Shown as 16 lower-case hexadecimal digits. Plain data: free to copy, send and compare.
///
/// ```
/// use routines_http::trace::SpanId;
///
/// let id: SpanId = "00f067aa0ba902b7".parse()?;
/// assert_eq!(id.to_string(), "00f067aa0ba902b7");
/// # Ok::<(), routines_http::trace::ParseTraceError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// Makes an id that no other step of the trace has: all 64 bits come from the thread's cryptographic generator.
    ///
    /// Panics only if the operating system cannot seed that generator.
    ///
    /// ```
    /// # use routines_http::trace::SpanId;
    /// assert_ne!(SpanId::random(), SpanId::random());
    /// ```
    pub fn random() -> SpanId {
        SpanId(rand::random())
    }

    /// Takes the 8 bytes as other tracing libraries hold them; `None` if all are zero, which the format forbids.
    ///
    /// ```
    /// # use routines_http::trace::SpanId;
    /// assert_eq!(SpanId::from_bytes([1; 8]).unwrap().to_bytes(), [1; 8]);
    /// assert_eq!(SpanId::from_bytes([0; 8]), None);
    /// ```
    pub const fn from_bytes(bytes: [u8; 8]) -> Option<SpanId> {
        match NonZeroU64::new(u64::from_be_bytes(bytes)) {
            Some(id) => Some(SpanId(id)),
            None => None,
        }
    }

    /// The 8 bytes, in the order in which they are written. See [`from_bytes`](SpanId::from_bytes).
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Buffer::<8>::new().format(&self.to_bytes()))
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SpanId {
    type Err = ParseTraceError;

    fn from_str(text: &str) -> Result<SpanId, ParseTraceError> {
        let digits = text.as_bytes().try_into().map_err(|_| ParseTraceError::SpanId)?;
        span_id(digits).ok_or(ParseTraceError::SpanId)
    }
}

/// What the caller says about the whole trace: whether it recorded it, and whether the trace id is random.
///
/// Only the flags that the specification defines are kept: the others are reserved and have to be sent as zero.
///
/// ```
/// use routines_http::trace::TraceFlags;
///
/// let flags = TraceFlags::from_bits(0xff);
/// assert!(flags.is_sampled() && flags.is_random());
/// assert_eq!(flags, TraceFlags::SAMPLED | TraceFlags::RANDOM);
/// assert_eq!(flags.bits(), 3);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TraceFlags(u8);

impl TraceFlags {
    /// The caller may have recorded this trace.
    pub const SAMPLED: TraceFlags = TraceFlags(1);
    /// At least the last 7 bytes of the trace id are random, so that they can be sampled or sharded by (level 2).
    pub const RANDOM: TraceFlags = TraceFlags(2);

    /// Takes the flags out of their byte; bits that mean nothing yet are dropped.
    ///
    /// ```
    /// # use routines_http::trace::TraceFlags;
    /// assert_eq!(TraceFlags::from_bits(0b1000_0001), TraceFlags::SAMPLED);
    /// ```
    pub const fn from_bits(bits: u8) -> TraceFlags {
        TraceFlags(bits & (TraceFlags::SAMPLED.0 | TraceFlags::RANDOM.0))
    }

    /// The byte as it is sent. See [`from_bits`](TraceFlags::from_bits).
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the caller may have recorded this trace.
    ///
    /// ```
    /// # use routines_http::trace::TraceFlags;
    /// assert!(!TraceFlags::default().is_sampled());
    /// ```
    pub const fn is_sampled(self) -> bool {
        self.0 & TraceFlags::SAMPLED.0 != 0
    }

    /// Whether the trace id is random enough to be sampled or sharded by.
    ///
    /// ```
    /// # use routines_http::trace::TraceFlags;
    /// assert!(TraceFlags::RANDOM.is_random());
    /// ```
    pub const fn is_random(self) -> bool {
        self.0 & TraceFlags::RANDOM.0 != 0
    }
}

impl BitOr for TraceFlags {
    type Output = TraceFlags;

    fn bitor(self, other: TraceFlags) -> TraceFlags {
        TraceFlags(self.0 | other.0)
    }
}

impl fmt::Display for TraceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Buffer::<1>::new().format(&[self.0]))
    }
}

impl fmt::Debug for TraceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where in which trace we are: [W3C Trace Context](https://www.w3.org/TR/trace-context-2/), levels 1 and 2.
///
/// Cloning is cheap: ids and flags are plain data, the state is shared.
///
/// ```
/// use routines_http::trace::TraceContext;
///
/// let caller = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")?;
/// let ours = caller.child();
/// assert_eq!(ours.trace_id, caller.trace_id);
/// assert_ne!(ours.span_id, caller.span_id);
/// assert!(ours.traceparent().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
/// # Ok::<(), routines_http::trace::ParseTraceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Which trace.
    pub trace_id: TraceId,
    /// Which step of it: the caller's when it came in a header, ours when it goes out.
    pub span_id: SpanId,
    /// What the caller says about the trace.
    pub flags: TraceFlags,
    /// What tracing systems want to find again further down.
    pub state: TraceState,
}

impl TraceContext {
    /// Starts a trace: fresh random ids (and the flag that says so), not sampled, no state.
    ///
    /// Panics only if the operating system cannot seed the thread's generator.
    ///
    /// ```
    /// # use routines_http::trace::TraceContext;
    /// let root = TraceContext::new_root();
    /// assert!(root.flags.is_random() && !root.flags.is_sampled());
    /// ```
    pub fn new_root() -> TraceContext {
        let (trace_id, span_id) = (TraceId::random(), SpanId::random());
        TraceContext { trace_id, span_id, flags: TraceFlags::RANDOM, state: TraceState::new() }
    }

    /// The next step of the same trace: a fresh span id, everything else as it is here.
    ///
    /// ```
    /// # use routines_http::trace::TraceContext;
    /// let root = TraceContext::new_root();
    /// assert_eq!(root.child().flags, root.flags);
    /// ```
    #[must_use]
    pub fn child(&self) -> TraceContext {
        TraceContext { span_id: SpanId::random(), ..self.clone() }
    }

    /// Reads one `traceparent` header, of any version; the state, a header of its own, is empty.
    ///
    /// White space around it is ignored. Of versions later than `00` the four known fields are read, as the specification asks.
    ///
    /// Errors: whatever is not a well-formed header; then no `tracestate` counts either. Never allocates, looks at 56 bytes at most.
    ///
    /// ```
    /// # use routines_http::trace::{ParseTraceError, TraceContext};
    /// let version_204 = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-and-more";
    /// assert!(TraceContext::parse(version_204)?.flags.is_sampled());
    /// assert_eq!(TraceContext::parse("ff-4bf9"), Err(ParseTraceError::Length));
    /// # Ok::<(), ParseTraceError>(())
    /// ```
    pub fn parse(traceparent: impl AsRef<[u8]>) -> Result<TraceContext, ParseTraceError> {
        parse(trim(traceparent.as_ref()))
    }

    /// Reads the `traceparent` header of a carrier, if it has one; the state, a header of its own, is empty.
    ///
    /// Errors: a malformed one, or more than one, of which none can be trusted. Then no `tracestate` counts either. Never allocates.
    ///
    /// ```
    /// # use routines_http::trace::{ParseTraceError, TraceContext};
    /// let ours = TraceContext::new_root().traceparent();
    /// assert!(TraceContext::extract(&[("TraceParent", &ours)])?.is_some());
    /// assert_eq!(TraceContext::extract(&[("host", "localhost")])?, None);
    /// let twice = [("traceparent", &ours), ("traceparent", &ours)];
    /// assert_eq!(TraceContext::extract(&twice), Err(ParseTraceError::Repeated));
    /// # Ok::<(), ParseTraceError>(())
    /// ```
    pub fn extract(carrier: &(impl Extract + ?Sized)) -> Result<Option<TraceContext>, ParseTraceError> {
        let mut found = None;
        carrier.each("traceparent", &mut |header| {
            found = Some(match found {
                None => TraceContext::parse(header),
                Some(_) => Err(ParseTraceError::Repeated),
            });
        });
        found.transpose()
    }

    /// Writes the `traceparent` header, in version `00`.
    ///
    /// ```
    /// # use routines_http::trace::TraceContext;
    /// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";
    /// assert_eq!(TraceContext::parse(header)?.traceparent(), header);
    /// # Ok::<(), routines_http::trace::ParseTraceError>(())
    /// ```
    pub fn traceparent(&self) -> String {
        let (mut trace, mut span, mut flags) = (Buffer::<16>::new(), Buffer::<8>::new(), Buffer::<1>::new());
        let trace = trace.format(&self.trace_id.to_bytes());
        ["00", trace, span.format(&self.span_id.to_bytes()), flags.format(&[self.flags.0])].join("-")
    }

    /// The same with this state instead.
    ///
    /// ```
    /// # use routines_http::{trace::TraceContext, trace_state::TraceState};
    /// let state = TraceState::parse(["rojo=00f067aa0ba902b7"])?;
    /// assert_eq!(TraceContext::new_root().with_state(state).state.len(), 1);
    /// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
    /// ```
    #[must_use]
    pub fn with_state(self, state: TraceState) -> TraceContext {
        TraceContext { state, ..self }
    }
}

/// Why something is no `traceparent`, or no id of one.
///
/// ```
/// # use routines_http::trace::{ParseTraceError, TraceContext};
/// let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
/// assert_eq!(TraceContext::parse(zero), Err(ParseTraceError::TraceId));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTraceError {
    /// Too short for any version, or not of the one length that version `00` has.
    #[error(
        "a traceparent of version 00 has exactly {LENGTH} characters, one of a later version no fewer: send `00-<32 hex>-<16 hex>-<2 hex>`"
    )]
    Length,
    /// Not two lower-case hexadecimal digits, or `ff`.
    #[error("a traceparent starts with its version, two lower-case hexadecimal digits and not `ff`: send `00`")]
    Version,
    /// Something else than `-` between two fields, or after the last one.
    #[error("the fields of a traceparent are divided by `-`: send `00-<32 hex>-<16 hex>-<2 hex>`")]
    Separator,
    /// Not 32 lower-case hexadecimal digits, or all zero.
    #[error("a trace id is 32 lower-case hexadecimal digits, not all zero: generate a random one")]
    TraceId,
    /// Not 16 lower-case hexadecimal digits, or all zero.
    #[error("a span id is 16 lower-case hexadecimal digits, not all zero: generate a random one")]
    SpanId,
    /// More than one header.
    #[error("a request has one traceparent: replace the one that was there instead of adding another")]
    Repeated,
    /// Not two lower-case hexadecimal digits.
    #[error("trace flags are two lower-case hexadecimal digits: send `01` for a sampled trace, `00` for any other")]
    Flags,
}

fn parse(header: &[u8]) -> Result<TraceContext, ParseTraceError> {
    use ParseTraceError as Error;
    let (known, more) = header.split_first_chunk::<LENGTH>().ok_or(Error::Length)?;
    let version: &[u8; 2] = field(known, 0);
    match hex(version).ok_or(Error::Version)? {
        0xff => return Err(Error::Version),
        0x00 if !more.is_empty() => return Err(Error::Length),
        _ => {}
    }
    if [known[2], known[35], known[52], *more.first().unwrap_or(&b'-')] != [b'-'; 4] {
        return Err(Error::Separator);
    }
    Ok(TraceContext {
        trace_id: trace_id(field(known, 3)).ok_or(Error::TraceId)?,
        span_id: span_id(field(known, 36)).ok_or(Error::SpanId)?,
        flags: hex(field::<2>(known, 53)).map(|bits| TraceFlags::from_bits(bits as u8)).ok_or(Error::Flags)?,
        state: TraceState::new(),
    })
}

/// The `N` bytes at a place that the caller knows to be inside.
fn field<const N: usize>(header: &[u8; LENGTH], at: usize) -> &[u8; N] {
    header[at..].first_chunk().expect("every field lies within the fixed length")
}

fn trace_id(digits: &[u8; 32]) -> Option<TraceId> {
    let (high, low) = digits.split_at(16);
    let id = u128::from(hex(high)?) << 64 | u128::from(hex(low)?);
    NonZeroU128::new(id).map(TraceId)
}

fn span_id(digits: &[u8; 16]) -> Option<SpanId> {
    NonZeroU64::new(hex(digits)?).map(SpanId)
}

/// At most 16 digits, and lower case only, as the format wants them: `from_str_radix` takes upper case and signs, too.
fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}
