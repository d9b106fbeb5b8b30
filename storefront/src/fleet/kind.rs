//! Owns the kinds of requests: what a client does, and what must come of it.

use std::time::Duration;

use super::children::Hop;
use super::front::Wish;
use super::part::SHUTTING_DOWN;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is finished.
    Finished,
    /// Its client leaves while the inventory works.
    HangsUp,
    /// Its time is up while the inventory works.
    Late,
    /// Its time is up while the worker works.
    LateJob,
    /// Its client leaves, and it is finished all the same.
    Write,
    /// The front shuts down while the inventory works.
    ShutDown,
}

/// Why a hop is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Disconnected,
    Deadline,
    ShutDown,
}

impl Why {
    pub(super) fn name(self) -> &'static str {
        match self {
            Why::Disconnected => "disconnected",
            Why::Deadline => "deadline",
            Why::ShutDown => "shut down",
        }
    }

    /// What the cause says of itself.
    pub(super) fn text(self) -> &'static str {
        match self {
            Why::Disconnected => "the client went away",
            Why::Deadline => "deadline exceeded",
            Why::ShutDown => SHUTTING_DOWN,
        }
    }
}

/// Longer than any run.
const LONG: u64 = 60_000;
/// Requests that are finished have so long.
const PLENTY: Duration = Duration::from_secs(10);

impl Kind {
    /// The mix: the order decides. Those that are shut down come last, for nothing comes after.
    pub(super) fn of(order: u64, orders: u64) -> Kind {
        if order > orders - orders / 10 {
            return Kind::ShutDown;
        }
        match order % 8 {
            1 | 2 | 6 => Kind::Finished,
            3 | 7 => Kind::HangsUp,
            4 => Kind::Late,
            5 => Kind::Write,
            _ => Kind::LateJob,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Finished => "is finished",
            Kind::HangsUp => "client leaves half way",
            Kind::Late => "late at the inventory",
            Kind::LateJob => "late at the worker",
            Kind::Write => "client leaves, is finished",
            Kind::ShutDown => "front shuts down",
        }
    }

    pub(super) fn path(self) -> &'static str {
        if self == Kind::Write { "writes" } else { "orders" }
    }

    pub(super) fn wish(self) -> Wish {
        let (hold, job) = match self {
            Kind::Finished => (10, Some(5)),
            Kind::Write => (150, Some(5)),
            Kind::LateJob => (10, Some(LONG)),
            Kind::HangsUp | Kind::Late | Kind::ShutDown => (LONG, Some(5)),
        };
        Wish { hold, job, pages: 0 }
    }

    pub(super) fn timeout(self) -> Duration {
        match self {
            Kind::Late => Duration::from_millis(250),
            Kind::LateJob => Duration::from_millis(350),
            _ => PLENTY,
        }
    }

    /// Whether the client closes its socket once the inventory works.
    pub(super) fn leaves(self) -> bool {
        matches!(self, Kind::HangsUp | Kind::Write)
    }

    /// The status of the answer, if one is waited for.
    pub(super) fn status(self) -> Option<u16> {
        match self {
            Kind::Finished | Kind::LateJob => Some(200),
            Kind::Late => Some(504),
            Kind::ShutDown => Some(503),
            Kind::HangsUp | Kind::Write => None,
        }
    }

    /// What is expected of a hop; `None` if the request does not get there.
    pub(super) fn fate(self, hop: Hop) -> Option<Fate> {
        Some(match (self, hop) {
            (Kind::Finished | Kind::Write, _) => Fate::Done,
            (Kind::LateJob, Hop::Worker) => Fate::Told(Why::Deadline),
            (Kind::LateJob, _) => Fate::Done,
            (_, Hop::Worker) => return None,
            (Kind::HangsUp, _) => Fate::Told(Why::Disconnected),
            (Kind::Late, _) => Fate::Told(Why::Deadline),
            (Kind::ShutDown, Hop::Front) => Fate::Told(Why::ShutDown),
            (Kind::ShutDown, _) => Fate::Told(Why::Disconnected),
        })
    }
}

/// How a request's work at a hop ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    Told(Why),
}
