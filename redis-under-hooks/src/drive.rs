//! Owns the load: Redis's own benchmark program, as Debian packages it.

use std::error::Error;
use std::io;
use std::process::{Child, Command, Stdio};

/// How to run it.
#[derive(Clone)]
pub(crate) struct Benchmark {
    requests: u64,
    clients: u64,
}

impl Benchmark {
    /// Looks whether it is installed.
    pub(crate) fn find(requests: u64, clients: u64) -> Result<Benchmark, Box<dyn Error>> {
        match Command::new("redis-benchmark").arg("--version").output() {
            Ok(_) => Ok(Benchmark { requests, clients }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err("redis-benchmark is not installed; on Debian: apt-get install redis-tools".into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Starts it against a port of the loopback address.
    pub(crate) fn start(&self, port: u16) -> io::Result<Run> {
        let child = Command::new("redis-benchmark")
            .args(["--csv", "-h", "127.0.0.1", "-t", "set", "-p"])
            .arg(port.to_string())
            .args(["-n", &self.requests.to_string(), "-c", &self.clients.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Run(child))
    }

    /// Runs it and returns the requests per second it reports.
    pub(crate) fn run(&self, port: u16) -> Result<f64, Box<dyn Error>> {
        self.start(port)?.finish()
    }
}

/// A run in progress; ended with whoever waits for it.
pub(crate) struct Run(Child);

impl Run {
    /// Whether it goes on.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Waits for its end and returns the requests per second it reports.
    pub(crate) fn finish(mut self) -> Result<f64, Box<dyn Error>> {
        let output = self.0.stdout.take().ok_or("its output was taken before")?;
        // It may begin with lines of its own about the server.
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(output);
        let rate = |record: csv::StringRecord| record.get(1)?.parse::<f64>().ok();
        let rate = reader.records().filter_map(Result::ok).filter_map(rate).last();
        if !self.0.wait()?.success() {
            return Err("redis-benchmark failed".into());
        }
        rate.ok_or_else(|| "redis-benchmark reported no rate".into())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Nothing is left to do where it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
