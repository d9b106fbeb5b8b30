//! Owns the requests: bounded in time and size, straight to the address, and errors that say what to do.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::http::StatusCode;

use crate::address::Address;
use crate::query::Query;
use crate::text::Plain;
use crate::wire::{self, Page};

/// No page is larger; a thousand routines are some hundred KB.
const LARGEST: u64 = 16 << 20;
/// A reason is a sentence or two.
const LARGEST_REASON: u64 = 4 << 10;
/// So long a whole request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks one process.
pub struct Client {
    agent: Agent,
    address: Address,
    patience: Duration,
}

impl Client {
    /// Connects when it is first asked, and waits for a whole answer for 5 seconds.
    pub fn new(address: Address) -> Client {
        Client::with_patience(address, PATIENCE)
    }

    /// The same, waiting for so long.
    pub fn with_patience(address: Address, patience: Duration) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Neither a redirect nor a proxy from the environment may lead elsewhere.
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(patience))
            .user_agent(concat!("routines/", env!("CARGO_PKG_VERSION")))
            .build();
        Client { agent: config.into(), address, patience }
    }

    /// Asks for a page, of any form of routine that its JSON can be read as.
    ///
    /// # Errors
    ///
    /// If the process cannot be reached, refuses, or answers something else.
    pub fn page<R: DeserializeOwned>(&self, query: &Query) -> Result<Page<R>, Fault> {
        let url = self.address.url(&format!("json?{query}"));
        let answer = self.agent.get(url).call().map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let limit = if status == StatusCode::OK { LARGEST } else { LARGEST_REASON };
        let body = answer.into_body().into_with_config().limit(limit).read_to_vec();
        if status != StatusCode::OK {
            return Err(self.refused(status, &body.unwrap_or_default()));
        }
        wire::read(&body.map_err(|error| self.unreachable(&error))?, query.per_page)
    }

    fn unreachable(&self, error: &ureq::Error) -> Fault {
        let (what, remedy) = match error {
            ureq::Error::Timeout(_) => {
                (format!("no answer within {:?}", self.patience), "is the process stopped, or its runtime blocked?")
            }
            ureq::Error::BodyExceedsLimit(_) => {
                ("the answer is larger than 16 MiB".to_owned(), "show fewer values, or filter")
            }
            error => (error.to_string(), "is it running, and does it serve `routines_inspect::router()` there?"),
        };
        Fault::new(format!("cannot reach {}: {what}", self.address)).remedy(remedy)
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Fault {
        let reason = String::from_utf8_lossy(body);
        match status {
            StatusCode::NOT_FOUND => Fault::new(format!("no page of routines at {}", self.address.url("")))
                .remedy("mount `routines_inspect::router()`, or give the URL it is nested under"),
            _ => Fault::new(format!("{} refused ({status}): {}", self.address, reason.trim())),
        }
    }
}

/// Why there is no answer, and what to do about it. Safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    what: Plain,
    remedy: Option<&'static str>,
}

impl Fault {
    /// What went wrong.
    pub fn new(what: impl AsRef<str>) -> Fault {
        Fault { what: Plain::new(what.as_ref()), remedy: None }
    }

    /// With what to do.
    #[must_use]
    pub fn remedy(self, remedy: &'static str) -> Fault {
        Fault { remedy: Some(remedy), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)?;
        self.remedy.map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

impl std::error::Error for Fault {}

/// Why a command did not come to its end.
#[derive(Debug)]
pub enum Failure {
    /// There is no answer.
    Fault(Fault),
    /// The terminal, or what is written to, failed.
    Io(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Fault(fault) => fault.fmt(f),
            Failure::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::Fault(fault)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}
