//! Owns the parts as the parent sees them: processes it starts, hears, asks and ends.

use std::error::Error;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::pipe::{CONTROL, Control, Stats, Word};

/// So long a part may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a request is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Hop {
    Front,
    Inventory,
    Worker,
}

impl Hop {
    pub(super) const ALL: [Hop; 3] = [Hop::Front, Hop::Inventory, Hop::Worker];

    pub(super) fn name(self) -> &'static str {
        match self {
            Hop::Front => "front",
            Hop::Inventory => "inventory",
            Hop::Worker => "worker",
        }
    }
}

/// Who takes the lines that a part logs.
pub(super) trait Listen: Send + Sync + 'static {
    fn hear(&self, hop: Hop, line: &str);
}

/// A process of ours. It ends when its input does: when this is dropped, or when we are gone ourselves.
pub(super) struct Part {
    name: &'static str,
    pub(super) address: Option<SocketAddr>,
    child: Child,
    words: ChildStdin,
    controls: UnboundedReceiver<Control>,
}

impl Part {
    /// Starts the broker.
    pub(super) async fn broker() -> Result<Part, Box<dyn Error>> {
        Part::start("broker", &["broker".to_owned()], |_| ()).await
    }

    /// Starts a service; `listener` gets its log.
    pub(super) async fn service(
        hop: Hop,
        arguments: &[String],
        listener: &Arc<impl Listen>,
    ) -> Result<Part, Box<dyn Error>> {
        let listener = Arc::clone(listener);
        Part::start(hop.name(), arguments, move |line| listener.hear(hop, line)).await
    }

    async fn start(
        name: &'static str,
        arguments: &[String],
        hear: impl Fn(&str) + Send + 'static,
    ) -> Result<Part, Box<dyn Error>> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("fleet-part")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(words), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a child has no pipes".into());
        };
        let (sender, controls) = unbounded_channel();
        tokio::spawn(read(output, sender, hear));
        let mut part = Part { name, address: None, child, words, controls };
        match part.answer().await? {
            Control::Ready { address } => part.address = address,
            other => return Err(format!("the {name} said {other:?} before it was ready").into()),
        }
        Ok(part)
    }

    /// Where it listens.
    pub(super) fn address(&self) -> Result<SocketAddr, Box<dyn Error>> {
        self.address.ok_or_else(|| format!("the {} listens nowhere", self.name).into())
    }

    /// What lives in it.
    pub(super) async fn stats(&mut self) -> Result<Stats, Box<dyn Error>> {
        self.say(Word::Stats).await?;
        match self.answer().await? {
            Control::Stats(stats) => Ok(stats),
            other => Err(format!("the {} answered {other:?}", self.name).into()),
        }
    }

    pub(super) async fn say(&mut self, word: Word) -> Result<(), Box<dyn Error>> {
        let line = format!("{}\n", word.as_str());
        self.words
            .write_all(line.as_bytes())
            .await
            .map_err(|error| format!("the {} is gone: {error}", self.name).into())
    }

    async fn answer(&mut self) -> Result<Control, Box<dyn Error>> {
        let name = self.name;
        match timeout(PATIENCE, self.controls.recv()).await {
            Ok(Some(control)) => Ok(control),
            Ok(None) => Err(format!("the {name} ended").into()),
            Err(_) => Err(format!("the {name} does not answer").into()),
        }
    }

    /// Lets it end by itself, as it does when it hears nothing more.
    pub(super) async fn end(self) {
        let Part { mut child, words, .. } = self;
        drop(words);
        let _ = timeout(PATIENCE, child.wait()).await;
    }
}

async fn read(output: ChildStdout, controls: UnboundedSender<Control>, hear: impl Fn(&str)) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match line.starts_with(CONTROL).then(|| serde_json::from_str(&line)) {
            Some(Ok(control)) => drop(controls.send(control)),
            _ => hear(&line),
        }
    }
}
