//! Owns the forms of a profile that know no labels: folded stacks and the flame graph, with labels as outermost frames.

use std::collections::BTreeMap;
use std::fmt::Write;

use inferno::flamegraph::{self, Direction, Options};

use super::{Kind, Profile, Sample};

/// `outermost;…;innermost count`, one line for each stack, in alphabetical order.
pub(crate) fn folded(profile: &Profile) -> String {
    let mut stacks = BTreeMap::<String, u64>::new();
    for sample in profile.samples() {
        *stacks.entry(stack(sample)).or_default() += sample.count;
    }
    stacks.iter().fold(String::new(), |mut text, (stack, count)| {
        let _ = writeln!(text, "{stack} {count}");
        text
    })
}

/// A flame graph that needs nothing but itself.
pub(crate) fn svg(profile: &Profile) -> String {
    let folded = folded(profile);
    let mut options = Options::default();
    options.deterministic = true;
    // Values are the outermost frames: whoever opens it sees them first.
    options.direction = Direction::Inverted;
    match profile.kind {
        Kind::Cpu => {
            options.title = format!("CPU time of {:.1} s at {} Hz", profile.duration.as_secs_f64(), profile.frequency);
            options.count_name = "ms".to_owned();
            options.factor = 1000.0 / f64::from(profile.frequency.max(1));
        }
        Kind::Routines => {
            options.title = "Live routines by where they were started".to_owned();
            options.count_name = "routines".to_owned();
        }
    }
    let mut svg = Vec::new();
    // With no samples at all, what it writes says so; nothing else fails in memory.
    let _ = flamegraph::from_lines(&mut options, folded.lines(), &mut svg);
    String::from_utf8(svg).unwrap_or_default()
}

fn stack(sample: &Sample) -> String {
    let labels = sample.labels.iter().map(|(key, value)| plain(&format!("{key}={value}")));
    let frames = sample.stack.iter().rev().flat_map(|frame| frame.names()).map(|name| plain(&name));
    let mut names: Vec<_> = labels.chain(frames).collect();
    if sample.stack.is_empty() {
        // A label that ends in a number must not be read as the count.
        names.push("[unknown]".to_owned());
    }
    names.join(";")
}

/// A name without what the format gives a meaning, and without what XML cannot hold.
fn plain(name: &str) -> String {
    let plain = |c| match c {
        ';' => ',',
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => ' ',
        c => c,
    };
    name.chars().map(plain).collect()
}
