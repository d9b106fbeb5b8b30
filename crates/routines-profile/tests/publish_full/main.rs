//! Owns the test of a full table of keys, in a process of its own: the table is for ever.

use routines::Shown;
use routines_profile::record::{MAX_KEYS, attrs, attrs_of, build, key_name, key_names};

#[test]
fn labels_of_keys_after_the_last_index_are_left_out_and_the_others_stay() {
    let names: Vec<&'static str> = (0..MAX_KEYS + 20).map(|i| &*format!("key-{i}").leak()).collect();
    for (at, name) in names.iter().enumerate() {
        let record = build(&[(name, Shown::U64(at as u64)), ("key-0", Shown::Str("stays"))]);
        let labels: Vec<_> = attrs(attrs_of(&record)).collect();
        let text = at.to_string();
        let expected = [(*name, &*text), ("key-0", "stays")];
        assert_eq!(labels, expected[usize::from(at >= MAX_KEYS)..]);
    }
    assert!(key_names().eq(names[..MAX_KEYS].iter().copied()));
    assert_eq!((key_name(254), key_name(255)), (Some("key-254"), None));
}
