//! Owns how tests read a profile back: the fields of `profile.proto` they look at, with strings in place of their numbers.

use std::collections::BTreeMap;
use std::io::Read;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Raw {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<Pair>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<RawSample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<RawMapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<RawLocation>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<RawFunction>,
    #[prost(string, repeated, tag = "6")]
    string: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<Pair>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

/// Two strings: of a value's type, and of a label.
#[derive(Clone, Copy, PartialEq, Message)]
struct Pair {
    #[prost(int64, tag = "1")]
    first: i64,
    #[prost(int64, tag = "2")]
    second: i64,
}

#[derive(Clone, PartialEq, Message)]
struct RawSample {
    #[prost(uint64, repeated, tag = "1")]
    location: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
struct RawMapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    start: u64,
    #[prost(uint64, tag = "3")]
    limit: u64,
    #[prost(int64, tag = "5")]
    filename: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RawLocation {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<RawLine>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct RawLine {
    #[prost(uint64, tag = "1")]
    function: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct RawFunction {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

/// A profile as its reader understands it.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) types: Vec<(String, String)>,
    pub(crate) period: (String, String, i64),
    pub(crate) default_type: String,
    pub(crate) time_nanos: i64,
    pub(crate) duration_nanos: i64,
    pub(crate) comments: Vec<String>,
    pub(crate) samples: Vec<Sample>,
    /// (path, whether its addresses have names), the program first.
    pub(crate) mappings: Vec<(String, bool)>,
}

#[derive(Debug)]
pub(crate) struct Sample {
    /// Each location's calls as (function, file, line), the innermost first.
    pub(crate) stack: Vec<Vec<(String, String, i64)>>,
    pub(crate) values: Vec<i64>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Sample {
    /// The functions, the innermost first, inlined ones too.
    pub(crate) fn functions(&self) -> Vec<&str> {
        self.stack.iter().flatten().map(|(function, ..)| function.as_str()).collect()
    }
}

/// Reads a profile, and checks what every reader relies on: ids that lead somewhere, addresses that are in their mapping.
pub(crate) fn decode(gzipped: &[u8]) -> Decoded {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(gzipped).read_to_end(&mut bytes).expect("gzip");
    let raw = Raw::decode(bytes.as_slice()).expect("protobuf");
    assert_eq!(raw.string[0], "", "the first string is empty");
    let text = |index: i64| raw.string[index as usize].clone();
    let pair = |pair: &Pair| (text(pair.first), text(pair.second));
    let period = pair(&raw.period_type.expect("a period type"));
    Decoded {
        types: raw.sample_type.iter().map(pair).collect(),
        period: (period.0, period.1, raw.period),
        default_type: text(raw.default_sample_type),
        time_nanos: raw.time_nanos,
        duration_nanos: raw.duration_nanos,
        comments: raw.comment.iter().map(|&comment| text(comment)).collect(),
        samples: raw.sample.iter().map(|sample| raw.read(sample)).collect(),
        mappings: raw.mapping.iter().map(|mapping| (text(mapping.filename), mapping.has_functions)).collect(),
    }
}

impl Raw {
    fn read(&self, sample: &RawSample) -> Sample {
        assert_eq!(sample.value.len(), self.sample_type.len(), "a value for each type");
        let text = |index: i64| self.string[index as usize].clone();
        Sample {
            stack: sample.location.iter().map(|&id| self.calls(id)).collect(),
            values: sample.value.clone(),
            labels: sample.label.iter().map(|label| (text(label.first), text(label.second))).collect(),
        }
    }

    fn calls(&self, id: u64) -> Vec<(String, String, i64)> {
        let location = self.location.iter().find(|location| location.id == id).expect("a location of that id");
        if location.mapping != 0 {
            let mapping =
                self.mapping.iter().find(|mapping| mapping.id == location.mapping).expect("a mapping of that id");
            assert!((mapping.start..mapping.limit).contains(&location.address), "an address in its mapping");
        }
        let text = |index: i64| self.string[index as usize].clone();
        let call = |line: &RawLine| {
            let function =
                self.function.iter().find(|function| function.id == line.function).expect("a function of that id");
            (text(function.name), text(function.filename), line.line)
        };
        location.line.iter().map(call).collect()
    }
}
