//! Owns the promises about pprof's format: types, sums, labels, stacks, mappings.

use std::collections::BTreeMap;

use routines_profile::ProfileBuilder;
use routines_profile::sampler::Samples;

use crate::decode::decode;
use crate::support::{MS, build, sample, started};

#[test]
fn types_period_and_time_are_those_of_a_cpu_profile() {
    let profile = decode(&build(&ProfileBuilder::new().frequency(100), vec![sample(&[1], 10, &[])]).to_pprof());
    let pair = |kind: &str, unit: &str| (kind.to_owned(), unit.to_owned());
    assert_eq!(profile.types, [pair("samples", "count"), pair("cpu", "nanoseconds")]);
    assert_eq!(profile.period, ("cpu".to_owned(), "nanoseconds".to_owned(), 10_000_000));
    assert_eq!(profile.default_type, "cpu");
    assert_eq!(profile.duration_nanos, 2_000_000_000);
    assert_eq!(profile.time_nanos, started().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64);
}

#[test]
fn equal_stacks_with_equal_labels_are_one_sample_and_others_are_not() {
    let samples = vec![
        sample(&[1, 2], 10, &[("tenant", "acme")]),
        sample(&[1, 2], 20, &[("tenant", "acme")]),
        sample(&[1, 2], 40, &[("tenant", "globex")]),
        sample(&[1, 3], 80, &[("tenant", "acme")]),
        sample(&[1, 2], 160, &[]),
    ];
    let profile = decode(&build(&ProfileBuilder::new(), samples).to_pprof());
    let mut values: Vec<_> = profile.samples.iter().map(|sample| sample.values.clone()).collect();
    values.sort();
    let ms = |ms: u64| (ms * MS) as i64;
    assert_eq!(values, [30, 40, 80, 160].map(|time| vec![time as i64, ms(time)]));
}

#[test]
fn time_with_a_label_and_without_adds_up_to_the_total() {
    let samples = vec![
        sample(&[1], 11, &[("tenant", "acme"), ("route", "/search")]),
        sample(&[2], 13, &[("tenant", "globex")]),
        sample(&[3], 17, &[]),
    ];
    let profile = decode(&build(&ProfileBuilder::new(), samples).to_pprof());
    let mut sums = BTreeMap::new();
    for sample in &profile.samples {
        *sums.entry(sample.labels.get("tenant").map(String::as_str)).or_default() += sample.values[1] as u64 / MS;
    }
    assert_eq!(sums, BTreeMap::from([(Some("acme"), 11_u64), (Some("globex"), 13), (None, 17)]));
}

#[test]
fn any_text_survives_as_a_label() {
    let value = "a;b\"<c>\u{1f600}\n=é";
    let profile = decode(&build(&ProfileBuilder::new(), vec![sample(&[1], 1, &[("tenant", value)])]).to_pprof());
    assert_eq!(profile.samples[0].labels["tenant"], value);
}

#[test]
fn the_program_is_the_first_mapping_also_when_no_sample_is_in_it() {
    let profile = decode(&build(&ProfileBuilder::new(), vec![sample(&[1], 1, &[])]).to_pprof());
    assert_eq!(profile.mappings[0].0, std::env::current_exe().unwrap().to_str().unwrap());
}

#[test]
fn labels_as_frames_are_outermost_and_no_longer_labels() {
    let samples = vec![sample(&[1, 2], 10, &[("route", "/search"), ("tenant", "acme")])];
    let profile = build(&ProfileBuilder::new().keys(["tenant", "route"]), samples);
    let sample = &decode(&profile.to_pprof_labels_as_frames()).samples[0];
    assert!(sample.labels.is_empty());
    assert_eq!(sample.functions(), ["route=/search", "tenant=acme"], "the first key is the outermost frame");
    assert_eq!(sample.stack.len(), 4);
}

#[test]
fn samples_that_become_equal_as_frames_are_added_up() {
    let samples = vec![sample(&[1], 10, &[("tenant", "a=b")]), sample(&[1], 20, &[("tenant=a", "b")])];
    let profile = decode(&build(&ProfileBuilder::new(), samples).to_pprof_labels_as_frames());
    assert_eq!(profile.samples.len(), 1);
    assert_eq!(profile.samples[0].values, [30, 30 * MS as i64]);
}

#[test]
fn a_profile_without_samples_is_still_a_profile() {
    let profile = build(&ProfileBuilder::new(), Vec::new());
    assert!(decode(&profile.to_pprof()).samples.is_empty());
    assert_eq!(profile.to_folded(), "");
    assert!(profile.to_svg().ends_with("</svg>"));
}

#[test]
fn the_same_samples_give_the_same_bytes() {
    let profile = || {
        let labels = [("route", "/a"), ("tenant", "t"), ("request_id", "r")];
        let samples = (0..50).map(|pc| sample(&[pc], pc as u64, &labels)).collect();
        build(&ProfileBuilder::new().max_values(1), samples)
    };
    let (one, other) = (profile(), profile());
    assert_eq!(one.to_pprof(), other.to_pprof());
    assert_eq!(one.to_svg(), other.to_svg());
}

#[test]
fn what_is_missing_is_said() {
    let samples = Samples { lost: 7, untimed: 2, ..Samples::default() };
    let comments = decode(&ProfileBuilder::new().build(samples, started()).to_pprof()).comments;
    assert_eq!(comments.len(), 2);
    assert!(comments[0].starts_with("7 periods") && comments[1].starts_with("2 threads"), "{comments:?}");
}
