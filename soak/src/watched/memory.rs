//! Owns what the process may take: in the second half of a run not much more than in the first.

use std::fmt;
use std::fs;

/// Largest resident sizes, in KB.
#[derive(Default)]
pub(super) struct Memory {
    halves: [u64; 2],
}

/// What a larger page than those before, or another of the allocator's arenas, may add.
const SLACK: u64 = 128 << 10;

impl Memory {
    pub(super) fn look(&mut self, second_half: bool) {
        let half = &mut self.halves[usize::from(second_half)];
        *half = resident().unwrap_or(0).max(*half);
    }

    pub(super) fn is_bounded(&self) -> Result<(), String> {
        let [first, second] = self.halves;
        let most = first + first / 4 + SLACK;
        if second > most { Err(format!("{second} KB are resident, and {first} KB were at first")) } else { Ok(()) }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.halves {
            [0, _] => f.write_str("SKIPPED memory: no /proc here"),
            [first, second] => write!(f, "{:<28}{first:>12}\n{:<28}{second:>12}", "KB, first half", "KB, second half"),
        }
    }
}

fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}
