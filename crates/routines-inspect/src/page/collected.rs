//! Owns one collection of all live routines, from which any view is made.

use std::time::{SystemTime, UNIX_EPOCH};

use routines::{Dump, RoutineId, RoutineInfo};

use super::filter::Filter;
use super::query::{Query, View};
use super::{groups, json, order, tree};

/// All live routines at one moment.
pub(crate) struct Collected {
    pub(super) dump: Dump,
    pub(super) unix_ms: u64,
}

impl Collected {
    pub(crate) fn now() -> Collected {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Collected { dump: routines::dump(), unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }

    pub(crate) fn grouped(&self) -> String {
        groups::text(&self.dump.routines)
    }

    pub(crate) fn each(&self) -> String {
        self.dump.to_string()
    }

    pub(crate) fn tree(&self) -> String {
        self.dump.tree().to_string()
    }

    pub(crate) fn json(&self, query: &Query) -> Vec<u8> {
        let filter = Filter::new(&query.q);
        let mut page = json::Page::new(self, query);
        match (query.id, query.view) {
            (Some(id), _) => self.one(id, &mut page),
            (None, View::Groups) => {
                let groups = groups::of(self.matching(&filter, query.parent));
                page.matching = groups.len();
                let compare = |a: &groups::Group<'_>, b: &groups::Group<'_>| order::groups(query, &a.key(), &b.key());
                page.groups = order::page(groups, query, compare);
            }
            (None, View::Tree) => {
                let level = tree::Level::of(&self.dump.routines, &filter, query.parent);
                page.matching = level.rows.len();
                let order = order::routines(query);
                let rows = order::page(level.rows, query, |(a, _), (b, _)| order(a, b));
                let row = |(info, matches)| json::Row::new(info, level.children.of(info.id), Some(matches));
                page.routines = rows.into_iter().map(row).collect();
            }
            (None, View::Routines) => {
                let rows: Vec<_> = self.matching(&filter, query.parent).collect();
                page.matching = rows.len();
                let order = order::routines(query);
                let rows = order::page(rows, query, |a, b| order(a, b));
                let children = tree::Children::new(self.dump.routines.iter());
                page.routines = rows.into_iter().map(|info| json::Row::new(info, children.of(info.id), None)).collect();
            }
        }
        page.to_bytes()
    }

    /// One routine, and those it comes from as far as they live.
    fn one<'a>(&'a self, id: RoutineId, page: &mut json::Page<'a>) {
        let children = tree::Children::new(self.dump.routines.iter());
        let row = |info: &'a RoutineInfo| json::Row::new(info, children.of(info.id), None);
        let Some(info) = self.find(id) else { return };
        page.matching = 1;
        page.routines.push(row(info));
        let mut next = info.parent;
        // A circle of parents would be a defect elsewhere; it must not become an endless page.
        while let Some(parent) = next.filter(|_| page.chain.len() < self.dump.routines.len()) {
            let info = self.find(parent);
            page.chain.push(info.map_or(json::Link::Gone(parent), |info| json::Link::Live(row(info))));
            next = info.and_then(|info| info.parent);
        }
    }

    fn find(&self, id: RoutineId) -> Option<&RoutineInfo> {
        let all = &self.dump.routines;
        all.binary_search_by_key(&id, |info| info.id).ok().map(|place| &all[place])
    }

    fn matching<'a>(
        &'a self,
        filter: &'a Filter,
        parent: Option<RoutineId>,
    ) -> impl Iterator<Item = &'a RoutineInfo> + use<'a> {
        let below = move |info: &&RoutineInfo| parent.is_none() || info.parent == parent;
        self.dump.routines.iter().filter(below).filter(|info| filter.matches(info))
    }
}
