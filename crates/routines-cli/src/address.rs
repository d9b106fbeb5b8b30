//! Owns what may be written for ADDR, and the place of the page there.

use std::fmt;
use std::str::FromStr;

use ureq::http::Uri;

/// Where the page is mounted when nothing is said about it.
const MOUNT: &str = "/debug/routines";

/// Where a process serves its page.
///
/// ```
/// use routines_cli::address::Address;
///
/// let address: Address = "9000".parse().unwrap();
/// assert_eq!(address.url("json"), "http://127.0.0.1:9000/debug/routines/json");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    authority: String,
    path: String,
}

impl Address {
    /// The address of a part of the page.
    pub fn url(&self, part: &str) -> String {
        format!("http://{}{}/{part}", self.authority, self.path)
    }
}

/// As short as it can be given again.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.strip_suffix(MOUNT) {
            Some("") => f.write_str(&self.authority),
            Some(prefix) => write!(f, "http://{}{prefix}", self.authority),
            None => write!(f, "http://{}{}", self.authority, self.path),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        if text.contains("://") {
            return from_url(text);
        }
        let text = text.strip_prefix(':').unwrap_or(text);
        let bare_port = text.bytes().all(|b| b.is_ascii_digit());
        let address = from_url(&format!("http://{}{text}", if bare_port { "127.0.0.1:" } else { "" }))?;
        let has_port = !address.authority.ends_with(']') && address.authority.contains(':');
        if has_port { Ok(address) } else { Err(AddressError("no port: write HOST:PORT, PORT or a URL")) }
    }
}

fn from_url(text: &str) -> Result<Address, AddressError> {
    let uri: Uri = text.parse().map_err(|_| AddressError("write HOST:PORT, PORT or a URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err(AddressError(
            "only http:// is spoken; for anything else open a tunnel: ssh -L 9000:127.0.0.1:9000 HOST",
        ));
    }
    let authority = uri.authority().ok_or(AddressError("no host"))?;
    let port = authority.as_str().strip_prefix(authority.host()).filter(|_| !authority.host().is_empty());
    match port.ok_or(AddressError("the host must be HOST or HOST:PORT"))?.strip_prefix(':').map(str::parse::<u16>) {
        None | Some(Ok(1..)) => {}
        Some(_) => return Err(AddressError("a port is a number from 1 to 65535")),
    }
    if uri.query().is_some() {
        return Err(AddressError("no query is wanted: use the command's own options"));
    }
    let path = uri.path().trim_end_matches('/');
    let path = if path.ends_with(MOUNT) { path.to_owned() } else { format!("{path}{MOUNT}") };
    Ok(Address { authority: authority.to_string(), path })
}

/// The text is no address; says what to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressError(&'static str);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for AddressError {}
