//! Owns what a report tells of routines: the one that panicked and those above it, within bounds.

use routines::{NamedValue, Routine, RoutineId, RoutineInfo};

/// Named values of one routine that are shown.
const VALUES: usize = 32;

/// Bytes of one value, or name, that are shown.
const BYTES: usize = 256;

/// A routine, its parent, the parent's parent.
pub(super) struct Lineage {
    /// The first one is what panicked; empty if nothing is known of that.
    pub(super) living: Vec<RoutineInfo>,
    /// Where the living end.
    pub(super) above: Above,
    /// What panicked.
    pub(super) id: RoutineId,
}

/// What is above the last that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Above {
    /// Nothing: nobody started it.
    Nothing,
    /// A routine that has ended.
    Ended(RoutineId),
    /// A task without a context of its own.
    Foreign(RoutineId),
    /// More of them.
    More(RoutineId),
}

impl Lineage {
    /// Runs the `Debug` of values, and takes locks.
    pub(super) fn of(routine: &Routine, most: usize, values: bool) -> Lineage {
        let mut lineage = Lineage { living: Vec::new(), above: Above::Nothing, id: routine.id() };
        let mut next = routine.info();
        while let Some(mut info) = next {
            bound(&mut info, values);
            let parent = info.parent;
            lineage.living.push(info);
            let Some(parent) = parent else { break };
            if lineage.living.len() >= most {
                lineage.above = Above::More(parent);
                break;
            }
            next = Routine::find(parent).and_then(|parent| parent.info());
            if next.is_none() {
                lineage.above = if parent.is_foreign() { Above::Foreign(parent) } else { Above::Ended(parent) };
            }
        }
        lineage
    }
}

fn bound(info: &mut RoutineInfo, values: bool) {
    info.values.truncate(if values { VALUES } else { 0 });
    for (name, value) in &mut info.values {
        cut(name);
        if let NamedValue::Str(text) = value {
            cut(text);
        }
    }
    info.name.iter_mut().chain(&mut info.spawned_at).for_each(cut);
}

fn cut(text: &mut String) {
    if text.len() > BYTES {
        text.truncate(text.floor_char_boundary(BYTES));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        let mut text = "é".repeat(200);
        text.insert(0, 'x');
        cut(&mut text);
        assert_eq!((text.chars().count(), text.ends_with("é…")), (129, true));
    }
}
