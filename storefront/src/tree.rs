//! Owns the picture of what was in flight: of several dumps the one that shows most, largest families first.

use std::cmp::Reverse;

use routines::Dump;

/// A family: a routine nobody alive started, and those that descend from it.
type Family = Vec<String>;

/// The best dump so far.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    families: Vec<Family>,
}

/// So many large families come first; the others follow by id, so that the long-lived ones are seen too.
const LARGEST: usize = 3;
/// What the runtime calls its threads: they come last, being many and all alike.
const RUNTIME_THREAD: &str = "thread \"tokio-rt-worker\"";

impl Tree {
    /// Keeps `dump` if a request was in flight and its families are larger than those kept.
    pub(crate) fn offer(&mut self, dump: &Dump) {
        let in_flight = |name: &str| name.starts_with("POST ");
        if !dump.routines.iter().any(|routine| routine.name.as_deref().is_some_and(in_flight)) {
            return;
        }
        let families = families(&dump.tree().to_string());
        if sizes(&families) > sizes(&self.families) {
            self.families = families;
        }
    }

    /// Its first lines, at most `most` of them, and how many are left out.
    pub(crate) fn shown(&self, most: usize) -> (Vec<&str>, usize) {
        let lines = || self.families.iter().flatten();
        (lines().take(most).map(String::as_str).collect(), lines().count().saturating_sub(most))
    }
}

fn sizes(families: &[Family]) -> Vec<usize> {
    families.iter().map(Vec::len).collect()
}

/// Cuts a tree at the lines that are not indented.
fn families(tree: &str) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for line in tree.lines() {
        match families.last_mut() {
            Some(family) if line.starts_with(' ') => family.push(line.to_owned()),
            _ => families.push(vec![line.to_owned()]),
        }
    }
    // Stable, so that families of one size stay in the order of their ids.
    let mut by_size: Vec<usize> = (0..families.len()).collect();
    by_size.sort_by_key(|index| Reverse(families[*index].len()));
    let rest = &mut by_size[LARGEST.min(families.len())..];
    rest.sort_by_key(|index| (families[*index][0].contains(RUNTIME_THREAD), *index));
    by_size.into_iter().map(|index| std::mem::take(&mut families[index])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_families_come_first_and_the_rest_is_counted() {
        let tree = Tree { families: families("a\nb\n  c\n    d\ne\nf\n  g\nh\n  i\nj\n  k\n") };
        assert_eq!(tree.shown(9), (vec!["b", "  c", "    d", "f", "  g", "h", "  i", "a", "e"], 2));
        assert_eq!(tree.shown(11).1, 0);
    }
}
