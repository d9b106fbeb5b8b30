//! Owns the hops' processes: starts them, reads their lines, and ends them when it is dropped.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::install::{self, Installed};
use crate::protocol::{Event, Next, Ports, Protocol};

/// More than any of them needs, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Both gRPC libraries would send loopback calls to a proxy.
const PROXIES: [&str; 6] = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "grpc_proxy", "all_proxy"];

/// One line of a hop, with when the driver read it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) hop: String,
    pub(crate) event: Event,
    pub(crate) at: Instant,
}

/// All hops that this machine can run.
pub(crate) struct Fleet {
    ports: BTreeMap<&'static str, Ports>,
    lines: UnboundedReceiver<Told>,
    /// Dropped, they are killed; their standard input, which is held here too, says the same should the driver be killed itself.
    _children: Vec<Child>,
}

impl Fleet {
    /// Starts two Rust hops and one of each peer, and waits until all listen.
    ///
    /// # Errors
    ///
    /// If one cannot be started, or does not say where it listens.
    pub(crate) async fn start(python: &Installed, node: &Installed) -> Result<Fleet> {
        let rust = || -> Result<std::process::Command> {
            let mut command = std::process::Command::new(std::env::current_exe()?);
            command.arg("hop");
            Ok(command)
        };
        let mut commands = vec![("rust-a", rust()?), ("rust-b", rust()?)];
        commands.extend(python.iter().map(|peer| ("python", peer.program("hop.py"))));
        commands.extend(node.iter().map(|peer| ("node", peer.program("hop.mjs"))));
        let (tell, lines) = unbounded_channel();
        let mut fleet = Fleet { ports: BTreeMap::new(), lines, _children: Vec::new() };
        for (name, command) in commands {
            fleet.add(name, command, tell.clone()).await.with_context(|| format!("{name}: see {:?}", log(name)))?;
        }
        Ok(fleet)
    }

    async fn add(
        &mut self,
        name: &'static str,
        command: std::process::Command,
        tell: UnboundedSender<Told>,
    ) -> Result<()> {
        let mut command = Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(log(name)?)?).kill_on_drop(true);
        for proxy in PROXIES {
            command.env_remove(proxy);
        }
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        self._children.push(child);
        let first = timeout(PATIENCE, lines.next_line()).await.context("does not listen")??;
        self.ports.insert(name, serde_json::from_str(&first.context("ended")?)?);
        tokio::spawn(read(name, lines, tell));
        Ok(())
    }

    /// Where a hop takes requests; `None` if it is not running.
    pub(crate) fn next(&self, hop: &str, protocol: Protocol) -> Option<Next> {
        let ports = self.ports.get(hop)?;
        let port = if protocol == Protocol::Grpc { ports.grpc } else { ports.http };
        Some(Next { addr: format!("127.0.0.1:{port}"), protocol })
    }

    /// Waits until this many hops have told of this request what `wanted` picks out.
    ///
    /// # Errors
    ///
    /// If it takes longer than that, or a hop ends.
    pub(crate) async fn told<T>(
        &mut self,
        hops: usize,
        within: Duration,
        mut wanted: impl FnMut(Told) -> Option<T>,
    ) -> Result<Vec<T>> {
        let mut found = Vec::new();
        let end = tokio::time::Instant::now() + within;
        while found.len() < hops {
            match tokio::time::timeout_at(end, self.lines.recv()).await {
                Ok(Some(told)) => found.extend(wanted(told)),
                Ok(None) => bail!("a hop has ended"),
                Err(_) => bail!("only {} of {hops} told within {within:?}", found.len()),
            }
        }
        Ok(found)
    }
}

/// What a hop writes to its standard error.
fn log(name: &str) -> Result<PathBuf> {
    let folder = install::cache()?;
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{name}.log")))
}

async fn read(name: &'static str, mut lines: Lines<BufReader<ChildStdout>>, tell: UnboundedSender<Told>) {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(event) = serde_json::from_str(&line) {
            let _ = tell.send(Told { hop: name.into(), event, at: Instant::now() });
        }
    }
}
