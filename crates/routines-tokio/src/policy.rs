//! Owns the decision whether a task spawned by plain `tokio::spawn` inherits: by the place of the spawn, or by a callback.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use rustc_hash::FxBuildHasher;

use crate::flow::Task;

/// How a new task's context relates to that of the code that spawns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// It gets what a child gets.
    Inherit,
    /// It starts with an empty context.
    Detached,
}

/// Places that serve more than the request that happens to start them.
pub(crate) const DETACHED: &[&str] = &[
    // Accept loops: a connection outlives the code that began to listen.
    "axum/src/serve",
    "warp/src/server.rs",
    "tonic/src/transport/server",
    // Connection drivers and pools: hyper's client hands its connections to this executor (hyper #3904).
    "hyper-util/src/rt/tokio.rs",
    "reqwest",
    "tonic/src/transport/channel",
    "tower/src/buffer",
    "h3",
    "quinn",
    "hickory-proto",
    "hickory-resolver",
    "sqlx-core",
    "bb8",
    "deadpool",
    "deadpool-runtime",
    "mobc",
    "redis",
    "fred",
    "mongodb",
    "async-nats",
    "lapin",
    "rumqttc",
    "rdkafka",
    // Exporters: one batch serves many requests.
    "opentelemetry_sdk",
];

type Decide = Box<dyn Fn(&Task) -> Option<Relation> + Send + Sync>;

/// Who inherits.
pub(crate) struct Policy {
    /// Tells policies apart in the caches.
    number: u32,
    decide: Option<Decide>,
    /// The places named by the user, the last first.
    places: Vec<(String, Relation)>,
}

impl Default for Policy {
    fn default() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Relaxed: the number publishes nothing but itself.
        Policy { number: NEXT.fetch_add(1, Ordering::Relaxed), decide: None, places: Vec::new() }
    }
}

impl Policy {
    pub(crate) fn add(&mut self, place: String, relation: Relation) {
        self.places.insert(0, (place, relation));
    }

    pub(crate) fn decide_by(&mut self, decide: Decide) {
        self.decide = Some(decide);
    }

    /// Whether this new task inherits.
    #[cfg_attr(not(any(tokio_unstable, test)), expect(dead_code, reason = "only hooks ask"))]
    pub(crate) fn relation(&self, task: &Task) -> Relation {
        let decided = self.decide.as_ref().and_then(|decide| catch_unwind(AssertUnwindSafe(|| decide(task))).ok()?);
        decided.unwrap_or_else(|| self.at(task.spawned_at()))
    }

    /// The decision for a place, which each thread remembers: a program has few places that spawn, and paths are long.
    fn at(&self, location: &'static Location<'static>) -> Relation {
        thread_local! {
            static KNOWN: RefCell<HashMap<(u32, usize), Relation, FxBuildHasher>> =
                const { RefCell::new(HashMap::with_hasher(FxBuildHasher)) };
        }
        let key = (self.number, std::ptr::from_ref(location).addr());
        let known =
            KNOWN.try_with(|known| *known.borrow_mut().entry(key).or_insert_with(|| self.look_up(location.file())));
        known.unwrap_or_else(|_| self.look_up(location.file()))
    }

    fn look_up(&self, file: &str) -> Relation {
        let named = self.places.iter().find(|(place, _)| is_in(file, place)).map(|(_, relation)| *relation);
        let known =
            || if DETACHED.iter().any(|place| is_in(file, place)) { Relation::Detached } else { Relation::Inherit };
        named.unwrap_or_else(known)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("places", &self.places).field("decides", &self.decide.is_some()).finish()
    }
}

/// Whether the parts of `place` are parts of the path `file`, one after the other. The first may be a crate's name, which a
/// registry's directory extends by the version. File names have to match whole.
fn is_in(file: &str, place: &str) -> bool {
    let separators = ['/', '\\'];
    let path: Vec<&str> = file.split(separators).collect();
    let mut wanted = place.split(separators).filter(|part| !part.is_empty());
    let Some(first) = wanted.next() else { return false };
    let rest: Vec<&str> = wanted.collect();
    path.iter().enumerate().any(|(at, part)| is_named(part, first) && path[at + 1..].starts_with(&rest))
}

/// Whether a directory is called `name`, or `name` and a version.
fn is_named(part: &str, name: &str) -> bool {
    let version = |rest: &str| rest.strip_prefix('-').is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()));
    part.strip_prefix(name).is_some_and(|rest| rest.is_empty() || version(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_crate_a_file_of_it_or_the_end_of_a_path() {
        let file = "/home/me/.cargo/registry/src/index.crates.io-1/hyper-util-0.1.17/src/rt/tokio.rs";
        for place in ["hyper-util", "hyper-util/src/rt/tokio.rs", "hyper-util/src", "rt/tokio.rs", "hyper-util-0.1.17"]
        {
            assert!(is_in(file, place), "{place}");
        }
        for place in ["hyper", "util", "hyper-util/src/client", "tokio", "", "/", "hyper-util-0.1.1"] {
            assert!(!is_in(file, place), "{place}");
        }
        assert!(is_in("src\\accept.rs", "src/accept.rs") && is_in("vendor/bb8/src/inner.rs", "bb8"));
    }

    #[test]
    fn the_place_named_last_decides_before_the_known_ones() {
        let mut policy = Policy::default();
        let file = "/registry/bb8-0.9.1/src/inner.rs";
        assert_eq!(policy.look_up(file), Relation::Detached);
        policy.add("bb8".into(), Relation::Inherit);
        assert_eq!(policy.look_up(file), Relation::Inherit);
        policy.add("bb8/src/inner.rs".into(), Relation::Detached);
        assert_eq!(policy.look_up(file), Relation::Detached);
        assert_eq!(policy.look_up("src/main.rs"), Relation::Inherit);
    }
}
