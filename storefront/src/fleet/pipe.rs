//! Owns what the parent and its parts say to each other: words on a part's standard input, lines among its log on its output.

use std::io::BufRead;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What a part says to its parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "kebab-case")]
pub(super) enum Control {
    /// It is ready, and where.
    Ready { address: Option<SocketAddr> },
    /// What it was asked for.
    Stats(Stats),
}

/// How every line begins that is not of the log.
pub(super) const CONTROL: &str = "{\"part\":";

/// What lives in a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stats {
    /// Live routines.
    pub(super) routines: usize,
    /// Nodes of cancellation.
    pub(super) nodes: usize,
    /// Deadlines that are waited for.
    pub(super) timers: usize,
    /// Headers that were ignored.
    pub(super) ignored: u64,
    /// Resident memory, where the system tells.
    pub(super) resident_kb: Option<u64>,
}

impl Stats {
    /// Whether something lives that did not before.
    pub(super) fn has_more_than(&self, before: &Stats) -> bool {
        self.routines > before.routines || self.nodes > before.nodes || self.timers > before.timers
    }
}

/// What a parent says to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Say what lives.
    Stats,
    /// Tell what is in flight that this server ends.
    ShutDown,
}

impl Word {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Word::Stats => "stats",
            Word::ShutDown => "shut-down",
        }
    }

    fn parse(text: &str) -> Option<Word> {
        [Word::Stats, Word::ShutDown].into_iter().find(|word| word.as_str() == text)
    }
}

/// A part that has not ended so long after its parent is ended.
const GRACE: Duration = Duration::from_secs(2);

/// The parent's words; the channel ends with the parent, however that ends.
pub(super) fn words() -> UnboundedReceiver<Word> {
    let (sender, words) = unbounded_channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        for word in lines.filter_map(|line| Word::parse(&line)) {
            let _ = sender.send(word);
        }
        drop(sender);
        std::thread::sleep(GRACE);
        std::process::exit(1);
    });
    words
}

/// Says something to the parent.
pub(super) fn say(control: &Control) {
    let line = serde_json::to_string(control).expect("numbers and addresses are JSON");
    println!("{line}");
}
