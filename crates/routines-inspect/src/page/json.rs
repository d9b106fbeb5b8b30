//! Owns the JSON form of a page.

use routines::{RoutineId, RoutineInfo};
use serde::Serialize;
use serde::ser::Serializer;

use super::collected::Collected;
use super::groups::Group;
use super::query::Query;

/// Changes when a reader of the old form would misread the new one.
const VERSION: u32 = 1;

#[derive(Serialize)]
pub(super) struct Page<'a> {
    version: u32,
    now_unix_ms: u64,
    total: usize,
    pub(super) matching: usize,
    page: usize,
    per_page: usize,
    timing: bool,
    pub(super) routines: Vec<Row<'a>>,
    pub(super) groups: Vec<Group<'a>>,
    pub(super) chain: Vec<Link<'a>>,
}

impl<'a> Page<'a> {
    pub(super) fn new(from: &'a Collected, query: &Query) -> Self {
        Page {
            version: VERSION,
            now_unix_ms: from.unix_ms,
            total: from.dump.routines.len(),
            matching: 0,
            page: query.page,
            per_page: query.per_page,
            timing: from.dump.routines.iter().any(|info| info.busy.is_some()),
            routines: Vec::new(),
            groups: Vec::new(),
            chain: Vec::new(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and lists of them can always be written")
    }
}

/// One routine.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    #[serde(serialize_with = "text")]
    id_text: RoutineId,
    #[serde(serialize_with = "maybe_text")]
    parent_text: Option<RoutineId>,
    children: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<bool>,
    #[serde(flatten)]
    info: &'a RoutineInfo,
}

impl<'a> Row<'a> {
    pub(super) fn new(info: &'a RoutineInfo, children: usize, matches: Option<bool>) -> Self {
        Row { id_text: info.id, parent_text: info.parent, children, matches, info }
    }
}

/// One of those a routine comes from.
pub(super) enum Link<'a> {
    Live(Row<'a>),
    Gone(RoutineId),
}

impl Serialize for Link<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Gone {
            id: RoutineId,
            #[serde(serialize_with = "text")]
            id_text: RoutineId,
            gone: bool,
        }
        match self {
            Link::Live(row) => row.serialize(to),
            Link::Gone(id) => Gone { id: *id, id_text: *id, gone: true }.serialize(to),
        }
    }
}

fn text<S: Serializer>(id: &RoutineId, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(id)
}

fn maybe_text<S: Serializer>(id: &Option<RoutineId>, to: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => to.collect_str(id),
        None => to.serialize_none(),
    }
}
