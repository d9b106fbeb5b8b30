//! Owns the tests of how a record is built and decoded: layout, limits, and what is dropped.

use routines::Shown;
use routines_profile::record::{MAX_ATTRS, MAX_LABELS, MAX_VALUE, attrs, attrs_of, build, key_name};

fn bytes(record: &[u64]) -> Vec<u8> {
    record.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn decoded(record: &[u64]) -> Vec<(&'static str, String)> {
    attrs(attrs_of(record)).map(|(name, value)| (name, value.to_owned())).collect()
}

#[test]
fn a_record_has_the_layout_of_the_specification_after_its_account_word() {
    let record = bytes(&build(&[("layout_a", Shown::Str("xyz")), ("layout_b", Shown::Bool(true))]));
    let [key_a, key_b] = [record[36], record[41]];
    assert_eq!((key_name(key_a), key_name(key_b)), (Some("layout_a"), Some("layout_b")));
    assert_eq!(record[..4], [0; 4], "no account");
    assert_eq!(record[4..8], 11_u32.to_ne_bytes());
    assert_eq!(record[8..32], [0; 24], "no trace");
    assert_eq!(record[32..36], [1, 0, 11, 0], "valid, no flags, length");
    assert_eq!(record[36..47], [&[key_a, 3][..], b"xyz", &[key_b, 4], b"true"].concat());
    assert_eq!(record.len(), 48);
}

#[test]
fn numbers_and_truth_values_are_written_as_text() {
    let record = build(&[("num", Shown::U64(u64::MAX)), ("neg", Shown::I64(i64::MIN)), ("yes", Shown::Bool(false))]);
    let expected = [("num", "18446744073709551615"), ("neg", "-9223372036854775808"), ("yes", "false")];
    assert_eq!(decoded(&record), expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn a_long_value_is_cut_on_a_characters_border() {
    let exact = "a".repeat(MAX_VALUE);
    let wide = format!("{}é{}", "a".repeat(MAX_VALUE - 1), "b".repeat(20));
    let record = build(&[("exact", Shown::Str(&exact)), ("wide", Shown::Str(&wide)), ("shown", Shown::Display(&wide))]);
    let cut = "a".repeat(MAX_VALUE - 1);
    assert_eq!(decoded(&record), [("exact", exact), ("wide", cut.clone()), ("shown", cut)]);
}

#[test]
fn labels_after_the_tenth_are_left_out() {
    let names = ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8", "l9", "l10", "l11"];
    let record = build(&names.map(|name| (name, Shown::Str(""))));
    assert_eq!(decoded(&record), names[..MAX_LABELS].iter().map(|name| (*name, String::new())).collect::<Vec<_>>());
}

#[test]
fn a_label_that_does_not_fit_is_left_out_whole_and_a_shorter_one_still_fits() {
    let long = "v".repeat(MAX_VALUE);
    let mut labels = ["f0", "f1", "f2", "f3", "f4", "f5"].map(|name| (name, Shown::Str(&long))).to_vec();
    labels.push(("f6", Shown::I64(7)));
    let record = build(&labels);
    let names: Vec<_> = decoded(&record).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["f0", "f1", "f2", "f3", "f4", "f6"]);
    assert!(attrs_of(&record).len() <= MAX_ATTRS);
}

#[test]
fn a_trace_fills_the_head_only_when_both_ids_are_well_formed() {
    let trace = ("trace_id", Shown::Str("4bf92f3577b34da6a3ce929d0e0e4736"));
    let span = ("span_id", Shown::Str("00f067aa0ba902b7"));
    let head = |labels: &[(&'static str, Shown<'_>)]| bytes(&build(labels))[8..34].to_vec();
    let mut expected =
        vec![0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36];
    expected.extend([0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7, 1, 3]);
    assert_eq!(head(&[span, ("trace_flags", Shown::Str("03")), trace]), expected);

    let none: Vec<u8> = [&[0; 24][..], &[1, 0]].concat();
    assert_eq!(head(&[trace]), none);
    assert_eq!(head(&[span, ("trace_flags", Shown::Str("01"))]), none);
    assert_eq!(head(&[trace, ("span_id", Shown::Str("0000000000000000"))]), none);
    assert_eq!(head(&[trace, ("span_id", Shown::Str("+0f067aa0ba902b7"))]), none);
    assert_eq!(head(&[("trace_id", Shown::Str("4bf92f3577b34da6a3ce929d0e0e47360")), span]), none);
}

#[test]
fn one_name_keeps_one_index_whoever_asks_at_the_same_time() {
    let names = ["race_a", "race_b", "race_c", "race_d"];
    let indices = || names.map(|name| attrs_of(&build(&[(name, Shown::Bool(true))]))[0]);
    let seen: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(indices)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(seen.iter().all(|indices| *indices == seen[0]));
    assert_eq!(seen[0].map(|index| key_name(index).unwrap()), names);
}

#[test]
fn decoding_ends_at_an_incomplete_attribute_and_skips_unknown_keys() {
    let record = build(&[("cut_a", Shown::Str("one")), ("cut_b", Shown::Str("two"))]);
    let whole = attrs_of(&record);
    for len in 0..whole.len() {
        let expected: &[_] = if len >= 5 { &[("cut_a", "one")] } else { &[] };
        assert_eq!(attrs(&whole[..len]).collect::<Vec<_>>(), expected, "{len} bytes");
    }
    let unknown = [&[255, 1, b'x'][..], whole].concat();
    assert!(attrs(&unknown).eq([("cut_a", "one"), ("cut_b", "two")]));
    let not_text = [&[whole[0], 1, 0xff][..], whole].concat();
    assert!(attrs(&not_text).eq([("cut_a", "one"), ("cut_b", "two")]));
}

#[test]
fn words_that_are_no_record_have_no_attributes() {
    assert_eq!(attrs_of(&[]), b"");
    assert_eq!(attrs_of(&[u64::MAX]), b"");
    assert_eq!(attrs_of(&[u64::MAX; 8]), b"");
}
