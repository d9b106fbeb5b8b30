//! Owns the broker: a Redis of our own, started on a free loopback port, and its one stream of jobs.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::streams::{StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, AsyncConnectionConfig, Client};
use tokio::process::{Child, Command};

const PROGRAM: &str = "redis-server";
/// What to do where it is not installed.
pub(super) const INSTALL: &str = "apt-get install redis-server";

const STREAM: &str = "jobs";
/// Jobs are small, and the worker keeps up: a stream of so many never loses one that was not taken.
const KEPT: &str = "10000";
/// Somebody else may take the port that was free.
const ATTEMPTS: u32 = 3;

/// Whether Redis is installed.
pub(super) fn is_installed() -> bool {
    let mut program = std::process::Command::new(PROGRAM);
    let version = program.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Starts Redis; it ends when the child is dropped.
pub(super) async fn start() -> Result<(Child, SocketAddr), Box<dyn Error>> {
    for _ in 0..ATTEMPTS {
        let address = free_address()?;
        let redis = Command::new(PROGRAM)
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &address.port().to_string()])
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if answers(address).await {
            return Ok((redis, address));
        }
    }
    Err(format!("{PROGRAM} does not answer").into())
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

async fn answers(address: SocketAddr) -> bool {
    for _ in 0..200 {
        if let Ok(mut jobs) = Jobs::open(address).await
            && jobs.connection.ping::<String>().await.is_ok()
        {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// A message's fields: those of the job, and the context as headers among them.
pub(super) type Fields = BTreeMap<String, Vec<u8>>;

/// A connection to the stream of jobs.
#[derive(Clone)]
pub(super) struct Jobs {
    connection: MultiplexedConnection,
    last: String,
}

impl Jobs {
    pub(super) async fn open(address: SocketAddr) -> redis::RedisResult<Jobs> {
        let client = Client::open(format!("redis://{address}/"))?;
        // A reader waits for as long as there is nothing to read.
        let patient = AsyncConnectionConfig::new().set_response_timeout(None);
        let connection = client.get_multiplexed_async_connection_with_config(&patient).await?;
        Ok(Jobs { connection, last: "0".to_owned() })
    }

    pub(super) async fn publish(&mut self, fields: &Fields) -> redis::RedisResult<()> {
        let mut add = redis::cmd("XADD");
        add.arg(STREAM).arg("MAXLEN").arg("~").arg(KEPT).arg("*");
        for (name, value) in fields {
            add.arg(name).arg(value.as_slice());
        }
        add.exec_async(&mut self.connection).await
    }

    /// Waits for jobs, and takes them.
    pub(super) async fn take(&mut self) -> redis::RedisResult<Vec<Fields>> {
        let options = StreamReadOptions::default().block(0).count(100);
        let reply: Option<StreamReadReply> = self.connection.xread_options(&[STREAM], &[&self.last], &options).await?;
        let entries: Vec<_> = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids).collect();
        if let Some(last) = entries.last() {
            self.last = last.id.clone();
        }
        entries.into_iter().map(|entry| fields(entry.map)).collect()
    }
}

fn fields(map: std::collections::HashMap<String, redis::Value>) -> redis::RedisResult<Fields> {
    map.into_iter().map(|(name, value)| Ok((name, redis::from_redis_value::<Vec<u8>>(value)?))).collect()
}
