//! Owns how the remaining time is written in headers.

/// Why something is no time that can be left.
///
/// ```
/// use routines_http::timeout::{ParseTimeoutError, grpc_timeout, millis};
///
/// assert_eq!(grpc_timeout::parse("123456789S"), Err(ParseTimeoutError::TooLong));
/// assert_eq!(millis::parse("-1"), Err(ParseTimeoutError::Digits));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTimeoutError {
    /// No digits, or something else between them: a sign, a point, a blank.
    #[error("a timeout is a whole number, without sign, point or blanks: round it")]
    Digits,
    /// More digits than the format allows.
    #[error(
        "a timeout has at most 8 digits in grpc-timeout and 15 in milliseconds: use a coarser unit, or none at all"
    )]
    TooLong,
    /// No unit, or one that is not known.
    #[error("a grpc-timeout ends with its unit, one of `H`, `M`, `S`, `m`, `u` and `n`: append it")]
    Unit,
}

/// At most `most` digits and nothing else.
fn number(digits: &[u8], most: usize) -> Result<u64, ParseTimeoutError> {
    if digits.len() > most {
        return Err(ParseTimeoutError::TooLong);
    }
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ParseTimeoutError::Digits);
    }
    Ok(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// The `grpc-timeout` header of [gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
///
/// ```
/// use routines_http::timeout::grpc_timeout;
/// use std::time::Duration;
///
/// assert_eq!(grpc_timeout::parse("1500m")?, Duration::from_millis(1500));
/// assert_eq!(grpc_timeout::format(Duration::from_millis(1500)), "1500000u");
/// # Ok::<(), routines_http::timeout::ParseTimeoutError>(())
/// ```
pub mod grpc_timeout {
    use std::time::Duration;

    use super::{ParseTimeoutError, number};

    const MAX_DIGITS: usize = 8;
    const MAX: u128 = 99_999_999;

    /// Units with their nanoseconds, finest first.
    const UNITS: [(char, u128); 6] = [
        ('n', 1),
        ('u', 1_000),
        ('m', 1_000_000),
        ('S', 1_000_000_000),
        ('M', 60_000_000_000),
        ('H', 3_600_000_000_000),
    ];

    /// Reads a timeout: 1 to 8 digits and a unit.
    ///
    /// Zero, which the specification has no words for but some peers send, is a time that is over.
    ///
    /// Errors: anything else; then there is no deadline. Looks at 9 bytes at most, never allocates. The longest, `99999999H`, are
    /// 11,415 years: add it to an `Instant` with `checked_add`.
    ///
    /// ```
    /// # use routines_http::timeout::grpc_timeout::parse;
    /// # use std::time::Duration;
    /// assert_eq!(parse("5S")?, Duration::from_secs(5));
    /// assert_eq!(parse("0n")?, Duration::ZERO);
    /// assert!(parse("-1S").is_err() && parse("1").is_err() && parse("S").is_err() && parse("1.5S").is_err());
    /// # Ok::<(), routines_http::timeout::ParseTimeoutError>(())
    /// ```
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Duration, ParseTimeoutError> {
        let (unit, digits) = text.as_ref().split_last().ok_or(ParseTimeoutError::Digits)?;
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == char::from(*unit)).ok_or(ParseTimeoutError::Unit)?;
        Ok(from_nanos(u128::from(number(digits, MAX_DIGITS)?) * nanos))
    }

    /// Writes a timeout in the finest unit that takes no more than 8 digits, rounded down: the next hop never gets more than there is.
    ///
    /// Zero becomes `1n`: the specification wants a positive number, and there are servers that take zero for no timeout at all.
    /// What is over should not be sent in the first place.
    ///
    /// ```
    /// # use routines_http::timeout::grpc_timeout::format;
    /// # use std::time::Duration;
    /// assert_eq!(format(Duration::from_nanos(1_999_999_999)), "1999999u");
    /// assert_eq!(format(Duration::ZERO), "1n");
    /// assert_eq!(format(Duration::MAX), "99999999H");
    /// ```
    pub fn format(left: Duration) -> String {
        let left = left.as_nanos().max(1);
        let [.., hours] = UNITS;
        let (unit, nanos) = UNITS.into_iter().find(|(_, nanos)| left / nanos <= MAX).unwrap_or(hours);
        format!("{}{unit}", (left / nanos).min(MAX))
    }

    fn from_nanos(nanos: u128) -> Duration {
        const SECOND: u128 = 1_000_000_000;
        Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
    }
}

/// Relative milliseconds, a whole number: what plain HTTP services send each other, under a header name they agree upon.
///
/// ```
/// use routines_http::timeout::millis;
/// use std::time::Duration;
///
/// assert_eq!(millis::parse("1500")?, Duration::from_millis(1500));
/// assert_eq!(millis::format(Duration::from_micros(1_499_999)), "1499");
/// # Ok::<(), routines_http::timeout::ParseTimeoutError>(())
/// ```
pub mod millis {
    use std::time::Duration;

    use super::{ParseTimeoutError, number};

    /// 31,000 years: more than anybody means, little enough to be computed with.
    const MAX_DIGITS: usize = 15;
    const MAX: u128 = 999_999_999_999_999;

    /// Reads a timeout: 1 to 15 digits. Zero is a time that is over.
    ///
    /// Errors: anything else; then there is no deadline. Looks at 15 bytes at most, never allocates. Add what comes to an `Instant`
    /// with `checked_add`.
    ///
    /// ```
    /// # use routines_http::timeout::millis::parse;
    /// # use std::time::Duration;
    /// assert_eq!(parse("250")?, Duration::from_millis(250));
    /// assert!(parse("").is_err() && parse("-1").is_err() && parse("1e3").is_err() && parse("18446744073709551616").is_err());
    /// # Ok::<(), routines_http::timeout::ParseTimeoutError>(())
    /// ```
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Duration, ParseTimeoutError> {
        number(text.as_ref(), MAX_DIGITS).map(Duration::from_millis)
    }

    /// Writes a timeout rounded down, but never less than 1: zero means no timeout at all to some servers.
    ///
    /// ```
    /// # use routines_http::timeout::millis::format;
    /// # use std::time::Duration;
    /// assert_eq!(format(Duration::from_micros(1_999)), "1");
    /// assert_eq!(format(Duration::ZERO), "1");
    /// ```
    pub fn format(left: Duration) -> String {
        left.as_millis().clamp(1, MAX).to_string()
    }
}
