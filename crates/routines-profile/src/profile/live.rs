//! Owns the profile of live routines: how many were started where, by whom, and for what values.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use routines::{NamedValue, RoutineId, RoutineInfo};

use super::frame::Frame;
use super::labels::Shown;
use super::{Kind, Profile, Sample};

/// How many ancestors a stack shows.
const GENERATIONS: usize = 64;

/// The live routines as a profile: one sample for each place that starts routines, state, and set of values.
///
/// The stack of a sample is the line that started the routine, below it the line that started its parent, and so on while
/// the parents live, up to 64. Its labels are `kind`, `state`, `name` and every named value, as dumps show them, at most
/// 1000 values of a key (see [`ProfileBuilder::max_values`](super::ProfileBuilder::max_values)).
///
/// From any thread; stops nobody; never panics. Costs about as much as [`routines::all`].
///
/// ```
/// let profile = routines_profile::routine_profile();
/// assert!(profile.samples().iter().any(|sample| sample.labels.contains(&("kind".into(), "thread".into()))));
/// std::fs::write(std::env::temp_dir().join("routines.pb.gz"), profile.to_pprof())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn routine_profile() -> Profile {
    routine_profile_of(&Shown { keys: Vec::new(), max_values: super::MAX_VALUES })
}

pub(crate) fn routine_profile_of(shown: &Shown) -> Profile {
    let all = routines::all();
    let by_id: HashMap<_, _> = all.iter().map(|info| (info.id, info)).collect();
    let mut frames = HashMap::new();
    let samples = all.iter().map(|info| Sample {
        stack: stack(info, &by_id, &mut frames),
        labels: labels(info),
        count: 1,
        cpu: Duration::ZERO,
        kind: Kind::Routines,
    });
    let mut profile = Profile {
        samples: samples.collect(),
        kind: Kind::Routines,
        started: SystemTime::now(),
        duration: Duration::ZERO,
        frequency: 0,
        program: None,
        remarks: Vec::new(),
    };
    profile.limit(shown);
    profile
}

/// From the innermost frame outwards: where it was started, where its parent was, and so on.
fn stack(
    info: &RoutineInfo,
    by_id: &HashMap<RoutineId, &RoutineInfo>,
    frames: &mut HashMap<String, Arc<Frame>>,
) -> Vec<Arc<Frame>> {
    let parent = |info: &&RoutineInfo| info.parent.and_then(|parent| by_id.get(&parent).copied());
    let line = std::iter::successors(Some(info), parent).take(GENERATIONS);
    line.map(|info| {
        let place = info.spawned_at.clone().unwrap_or_else(|| format!("{} ({})", name(info), info.kind));
        frames.entry(place).or_insert_with_key(|place| Frame::synthetic(place.clone())).clone()
    })
    .collect()
}

/// What to call one of which no place is known: nobody started it through `routines`.
fn name(info: &RoutineInfo) -> &str {
    info.name.as_deref().unwrap_or("unnamed")
}

fn labels(info: &RoutineInfo) -> Vec<(String, String)> {
    let known =
        [("kind", Some(info.kind.to_string())), ("state", Some(info.state.to_string())), ("name", info.name.clone())];
    let known = known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    known.chain(info.values.iter().map(|(key, value)| (key.clone(), text(value)))).collect()
}

fn text(value: &NamedValue) -> String {
    match value {
        NamedValue::Bool(value) => value.to_string(),
        NamedValue::U64(value) => value.to_string(),
        NamedValue::I64(value) => value.to_string(),
        NamedValue::F64(value) => value.to_string(),
        NamedValue::Str(value) => value.clone(),
        other => format!("{other:?}"),
    }
}
