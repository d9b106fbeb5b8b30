//! Owns the report as text: a dump of the lineage, bounded.

use routines::RoutineId;

use super::lineage::{Above, Lineage};

/// Bytes of a report.
const MOST: usize = 16 * 1024;

const UNKNOWN: &str = "nothing is known of it: its task was started without a context, or its thread is ending\n";

pub(super) fn with_first_line(id: RoutineId, lineage: &Lineage) -> String {
    format!("routine {id} panicked; what it is, and what started it:\n{}", write(lineage))
}

/// Everything below the first line.
pub(super) fn write(lineage: &Lineage) -> String {
    let mut blocks: Vec<String> = lineage.living.iter().map(ToString::to_string).collect();
    match lineage.above {
        Above::Ended(id) => blocks.push(format!("routine {id} [done]\n")),
        Above::Foreign(id) => blocks.push(format!("routine {id}: a task without a context of its own\n")),
        Above::More(id) => blocks.push(format!("and what started routine {id}\n")),
        Above::Nothing if blocks.is_empty() => blocks.push(UNKNOWN.to_owned()),
        Above::Nothing => {}
    }
    let mut text = blocks.join("\n");
    if text.len() > MOST {
        text.truncate(text.floor_char_boundary(MOST));
        text.push_str("…\n");
    }
    text
}
