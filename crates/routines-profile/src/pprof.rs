//! Owns the encoding of samples as a gzipped pprof profile: any sample types, stacks with inlined calls, text labels.

mod proto;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use indexmap::{IndexMap, IndexSet};
use prost::Message;

use crate::profile::frame::{Frame, Mapping};

/// A profile under construction.
///
/// Samples of one stack and one set of labels are added up: it grows with what differs, not with what was counted.
pub(crate) struct Builder {
    profile: proto::Profile,
    strings: IndexSet<String>,
    mappings: IndexSet<Arc<Mapping>>,
    frames: IndexSet<Arc<Frame>>,
    functions: IndexSet<(i64, i64)>,
    samples: IndexMap<(Vec<u64>, Vec<proto::Label>), Vec<i64>>,
}

impl Builder {
    /// A profile whose samples have values of these (type, unit) pairs, one sample for each `period` of `period_type`.
    pub(crate) fn new(types: &[(&str, &str)], period_type: (&str, &str), period: i64) -> Self {
        let mut new = Self {
            profile: proto::Profile { period, ..Default::default() },
            strings: IndexSet::from([String::new()]),
            mappings: IndexSet::new(),
            frames: IndexSet::new(),
            functions: IndexSet::new(),
            samples: IndexMap::new(),
        };
        new.profile.sample_type = types.iter().map(|&kind| new.value_type(kind)).collect();
        new.profile.period_type = Some(new.value_type(period_type));
        new
    }

    /// When it was taken, and for how long.
    pub(crate) fn time(&mut self, start: SystemTime, duration: Duration) {
        self.profile.time_nanos = nanos(start.duration_since(UNIX_EPOCH).unwrap_or_default());
        self.profile.duration_nanos = nanos(duration);
    }

    /// The sample type that viewers show first.
    pub(crate) fn default_type(&mut self, kind: &str) {
        self.profile.default_sample_type = self.string(kind);
    }

    /// A remark for the reader, shown by `go tool pprof -comments`.
    pub(crate) fn comment(&mut self, text: &str) {
        let text = self.string(text);
        self.profile.comment.push(text);
    }

    /// Lists a mapping, and returns its id. Viewers call the first one the program.
    pub(crate) fn mapping(&mut self, mapping: &Arc<Mapping>) -> u64 {
        let (index, new) = self.mappings.insert_full(mapping.clone());
        if new {
            let mapping = proto::Mapping {
                id: id(index),
                memory_start: mapping.start,
                memory_limit: mapping.end,
                file_offset: mapping.offset,
                filename: self.string(&mapping.path),
                ..Default::default()
            };
            self.profile.mapping.push(mapping);
        }
        id(index)
    }

    /// Adds a sample: its stack from the innermost frame outwards, a value for each sample type, labels as (key, value).
    pub(crate) fn add<'a>(
        &mut self,
        stack: &[Arc<Frame>],
        values: &[i64],
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        debug_assert_eq!(values.len(), self.profile.sample_type.len(), "a value for each sample type");
        let stack = stack.iter().map(|frame| self.frame(frame)).collect();
        let mut labels: Vec<_> = labels
            .into_iter()
            .map(|(key, value)| proto::Label { key: self.string(key), str: self.string(value) })
            .collect();
        labels.sort_unstable_by_key(|label| (label.key, label.str));
        let sums = self.samples.entry((stack, labels)).or_insert_with(|| vec![0; values.len()]);
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum = sum.saturating_add(*value));
    }

    /// The encoded profile.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.profile.sample = self
            .samples
            .into_iter()
            .map(|((location_id, label), value)| proto::Sample { location_id, value, label })
            .collect();
        self.profile.string_table = self.strings.into_iter().collect();
        gzip(&self.profile.encode_to_vec())
    }

    fn value_type(&mut self, (kind, unit): (&str, &str)) -> proto::ValueType {
        proto::ValueType { r#type: self.string(kind), unit: self.string(unit) }
    }

    fn string(&mut self, text: &str) -> i64 {
        let index = self.strings.get_index_of(text).unwrap_or_else(|| self.strings.insert_full(text.to_owned()).0);
        index as i64
    }

    fn frame(&mut self, frame: &Arc<Frame>) -> u64 {
        let (index, new) = self.frames.insert_full(frame.clone());
        if new {
            let mapping_id = frame.mapping.as_ref().map_or(0, |mapping| self.mapping(mapping));
            let line = frame.calls.iter().map(|call| self.line(&call.function, &call.file, call.line)).collect();
            self.mark_as_named(mapping_id, frame);
            self.profile.location.push(proto::Location { id: id(index), mapping_id, address: frame.address, line });
        }
        id(index)
    }

    fn line(&mut self, function: &str, file: &str, line: u32) -> proto::Line {
        let (name, filename) = (self.string(function), self.string(file));
        let (index, new) = self.functions.insert_full((name, filename));
        if new {
            // Without a system name: viewers would take it for one of C++, and leave out all that is between `<` and `>`.
            self.profile.function.push(proto::Function { id: id(index), name, filename });
        }
        proto::Line { function_id: id(index), line: line.into() }
    }

    /// A mapping whose addresses have their names already: viewers then look for no symbols of their own.
    fn mark_as_named(&mut self, mapping_id: u64, frame: &Frame) {
        let Some(mapping) = mapping_id.checked_sub(1).and_then(|index| self.profile.mapping.get_mut(index as usize))
        else {
            return;
        };
        mapping.has_functions |= !frame.calls.is_empty();
        mapping.has_filenames |= frame.calls.iter().any(|call| !call.file.is_empty());
        mapping.has_line_numbers |= frame.calls.iter().any(|call| call.line != 0);
        mapping.has_inline_frames |= frame.calls.len() > 1;
    }
}

/// Ids count from 1: 0 means none.
fn id(index: usize) -> u64 {
    index as u64 + 1
}

fn nanos(duration: Duration) -> i64 {
    duration.as_nanos().try_into().unwrap_or(i64::MAX)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Nothing fails in writing to memory.
    encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
}
