//! Metadata as a carrier.

use http::HeaderName;
use routines_http::carrier::{Extract, Inject};
use routines_tonic::{MetadataExtractor, MetadataInjector};
use tonic::metadata::{MetadataMap, MetadataValue};

fn seen(map: &MetadataMap, name: &str) -> Vec<Vec<u8>> {
    let mut seen = Vec::new();
    MetadataExtractor(map).each(name, &mut |value| seen.push(value.to_vec()));
    seen
}

#[test]
fn all_values_of_a_name_are_seen_in_their_order_whatever_its_case() {
    let mut map = MetadataMap::new();
    map.append("baggage", "a=1".parse().unwrap());
    map.append("baggage", "b=2".parse().unwrap());
    assert_eq!(seen(&map, "Baggage"), [b"a=1", b"b=2"]);
    assert!(seen(&map, "traceparent").is_empty());
}

#[test]
fn binary_entries_and_names_nobody_can_have_are_nothing() {
    let mut map = MetadataMap::new();
    map.insert_bin("trace-bin", MetadataValue::from_bytes(b"\0\x01"));
    assert!(seen(&map, "trace-bin").is_empty());
    assert!(seen(&map, "no name").is_empty());
}

#[test]
fn what_is_written_replaces_all_that_was_there() {
    let mut map = MetadataMap::new();
    map.append("baggage", "a=1".parse().unwrap());
    map.append("baggage", "b=2".parse().unwrap());
    let name = HeaderName::from_static("baggage");
    MetadataInjector(&mut map).set(&name, "c=3").unwrap();
    assert_eq!(seen(&map, "baggage"), [b"c=3"]);
    MetadataInjector(&mut map).remove(&name);
    assert!(map.is_empty());
}
