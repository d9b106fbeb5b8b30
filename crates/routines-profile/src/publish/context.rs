//! Owns the payload of the process context: the schema of thread contexts, the names of the keys, the process's attributes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;
use std::{fs, io};

use prost::Message;

use super::{PublishError, Publisher};
use crate::record::{self, Appending};
use crate::sys::process;

static PUBLISHER: OnceLock<Publisher> = OnceLock::new();

/// Publishes the process context, and keeps it up to date with the keys.
pub(super) fn publish(publisher: Publisher, appending: &Appending) -> Result<(), PublishError> {
    if taken().map_err(|source| PublishError::Os { what: "look for another process context", source })? {
        return Err(PublishError::ContextTaken);
    }
    PUBLISHER.get_or_init(|| publisher);
    renew(appending).map_err(|source| PublishError::Os { what: "publish the process context", source })?;
    process::follow_forks().map_err(|source| PublishError::Os { what: "have forks publish theirs", source })?;
    record::on_append(|appending| {
        // Where even a page cannot be had any more: readers skip keys they do not know.
        let _stale = renew(appending);
    });
    Ok(())
}

/// Kept for ever, as a reader or a child may still look at it: one payload a key, of which there are at most 255.
fn renew(_one_at_a_time: &Appending) -> io::Result<()> {
    let Some(publisher) = PUBLISHER.get() else { return Ok(()) };
    process::publish(Box::leak(payload(publisher).encode_to_vec().into_boxed_slice()))
}

fn payload(publisher: &Publisher) -> ProcessContext {
    let names = record::key_names().map(AnyValue::from).collect();
    ProcessContext {
        resource: Some(Resource {
            attributes: publisher
                .resource
                .iter()
                .map(|(key, value)| KeyValue::new(key, value.as_str().into()))
                .collect(),
        }),
        attributes: vec![
            KeyValue::new("threadlocal.schema_version", publisher.schema_version.as_str().into()),
            KeyValue::new(
                "threadlocal.attribute_key_map",
                AnyValue { value: Some(Value::Array(ArrayValue { values: names })) },
            ),
        ],
    }
}

/// Whether a process context is there already, by the reader's side of the specification.
fn taken() -> io::Result<bool> {
    let memory = File::open("/proc/self/mem")?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    Ok(maps.lines().filter_map(named_start).any(|start| {
        let mut signature = [0; 8];
        memory.read_exact_at(&mut signature, start).is_ok() && signature == *b"OTEL_CTX"
    }))
}

/// Where the mapping of this line starts, if it has the name of a process context.
fn named_start(line: &str) -> Option<u64> {
    let (range, rest) = line.split_once('-')?;
    let name = rest.splitn(5, ' ').nth(4)?.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit());
    let ours =
        ["[anon_shmem:OTEL_CTX]", "[anon:OTEL_CTX]", "/memfd:OTEL_CTX"].iter().any(|known| name.starts_with(known));
    ours.then(|| u64::from_str_radix(range, 16).ok())?
}

#[derive(Clone, PartialEq, Message)]
struct ProcessContext {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 5")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    String(String),
    #[prost(message, tag = "5")]
    Array(ArrayValue),
}

#[derive(Clone, PartialEq, Message)]
struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

impl KeyValue {
    fn new(key: &str, value: AnyValue) -> Self {
        KeyValue { key: key.into(), value: Some(value) }
    }
}

impl From<&str> for AnyValue {
    fn from(text: &str) -> Self {
        AnyValue { value: Some(Value::String(text.into())) }
    }
}
