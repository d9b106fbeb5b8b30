//! Owns who is whose child, and one level of the tree with a filter.

use routines::{RoutineId, RoutineInfo};

use super::filter::Filter;

/// How many children each routine has.
pub(super) struct Children(Vec<RoutineId>);

impl Children {
    pub(super) fn new<'a>(of: impl Iterator<Item = &'a RoutineInfo>) -> Children {
        let mut parents: Vec<_> = of.filter_map(|info| info.parent).collect();
        parents.sort_unstable();
        Children(parents)
    }

    pub(super) fn of(&self, id: RoutineId) -> usize {
        let (from, to) = (self.0.partition_point(|p| *p < id), self.0.partition_point(|p| *p <= id));
        to - from
    }
}

/// One level of the tree, with whether each row matches by itself.
pub(super) struct Level<'a> {
    pub(super) rows: Vec<(&'a RoutineInfo, bool)>,
    pub(super) children: Children,
}

impl<'a> Level<'a> {
    /// The children of `parent`, or the roots; of those to be seen at all.
    pub(super) fn of(all: &'a [RoutineInfo], filter: &Filter, parent: Option<RoutineId>) -> Level<'a> {
        let parents = Parents::of(all);
        let matches: Vec<bool> = all.iter().map(|info| filter.matches(info)).collect();
        let visible = if filter.is_empty() { matches.clone() } else { parents.around(&matches) };
        let here = |place: usize| match parent {
            Some(parent) => all[place].parent == Some(parent),
            None => parents.0[place] == NONE,
        };
        let rows = (0..all.len()).filter(|place| visible[*place] && here(*place));
        Level {
            rows: rows.map(|place| (&all[place], matches[place])).collect(),
            children: Children::new(all.iter().zip(&visible).filter(|(_, seen)| **seen).map(|(info, _)| info)),
        }
    }
}

/// The place of each routine's parent.
struct Parents(Vec<usize>);

/// A routine whose parent has ended, or that has none.
const NONE: usize = usize::MAX;

impl Parents {
    /// `all` is sorted by id.
    fn of(all: &[RoutineInfo]) -> Parents {
        let place = |id: RoutineId| all.binary_search_by_key(&id, |info| info.id).ok();
        Parents(all.iter().map(|info| info.parent.and_then(place).unwrap_or(NONE)).collect())
    }

    /// Those that match, those above them and those below them.
    fn around(&self, matches: &[bool]) -> Vec<bool> {
        let mut visible = self.below(matches);
        for place in (0..matches.len()).filter(|place| matches[*place]) {
            let mut above = self.0[place];
            while above != NONE && !visible[above] {
                visible[above] = true;
                above = self.0[above];
            }
        }
        visible
    }

    /// Those that match and those below them; each is visited once, however deep the tree is.
    fn below(&self, matches: &[bool]) -> Vec<bool> {
        let mut known: Vec<Option<bool>> = matches.iter().map(|hit| hit.then_some(true)).collect();
        let mut path = Vec::new();
        for start in 0..known.len() {
            let mut place = start;
            while place != NONE && known[place].is_none() {
                // Until the answer is known: ends the walk should parents form a circle.
                known[place] = Some(false);
                path.push(place);
                place = self.0[place];
            }
            let answer = place != NONE && known[place] == Some(true);
            path.drain(..).for_each(|place| known[place] = Some(answer));
        }
        known.into_iter().map(|known| known == Some(true)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_parents_is_walked_once() {
        // 0 and 1 are each other's parents, 2 is a child of 1.
        let circle = Parents(vec![1, 0, 1]);
        assert_eq!(circle.around(&[false, false, false]), [false, false, false]);
        assert_eq!(circle.around(&[false, false, true]), [true, true, true]);
        assert_eq!(circle.around(&[true, false, false]), [true, true, true]);
    }

    #[test]
    fn a_tree_as_deep_as_it_is_large_is_walked_without_recursion() {
        let deep = Parents((0..200_000).map(|place| if place == 0 { NONE } else { place - 1 }).collect());
        let mut matches = vec![false; 200_000];
        matches[199_999] = true;
        assert!(deep.around(&matches).into_iter().all(|seen| seen));
    }
}
