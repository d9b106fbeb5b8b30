//! Says what the figures were measured on.

use std::fs;
use std::process::Command;
use std::thread;

/// The processor, how many cores of it, and the compiler.
pub(crate) fn describe() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!("{} ({cores} cores), {}", processor(), compiler())
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    match (field("model name"), field("cpu family")) {
        (Some(name), Some(family)) => format!("{name}, family {family}"),
        (Some(name), None) => name,
        _ => format!("an unnamed {} processor", std::env::consts::ARCH),
    }
}

fn compiler() -> String {
    let asked = Command::new("rustc").arg("--version").output();
    let answer = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    answer.map_or_else(|| "an unknown compiler".to_owned(), |version| version.trim().to_owned())
}
