//! Owns the promises about labels: which keys show, how many of their values, and that nothing is lost from the sums.

use routines_profile::ProfileBuilder;

use crate::decode::decode;
use crate::support::{build, by_value, sample, sums};

#[test]
fn the_heaviest_values_stay_and_the_rest_are_other() {
    let light = ["t1", "t2", "t3", "t4", "t5"].map(|tenant| sample(&[1], 1, &[("tenant", tenant)]));
    let heavy = [sample(&[1], 30, &[("tenant", "acme")]), sample(&[1], 20, &[("tenant", "globex")])];
    let profile = build(&ProfileBuilder::new().max_values(2), light.into_iter().chain(heavy).collect());
    assert_eq!(by_value(&profile, "tenant"), sums(&[("(other)", 5), ("acme", 30), ("globex", 20)]));
    assert_eq!(profile.samples().len(), 3, "samples that no longer differ are one");
    assert_eq!(decode(&profile.to_pprof()).comments, ["tenant: the 2 heaviest values are shown, the rest as (other)"]);
}

#[test]
fn a_value_is_weighed_by_all_its_samples_not_by_its_heaviest() {
    let split = (0..4).map(|pc| sample(&[pc], 10, &[("tenant", "spread")]));
    let single = [sample(&[9], 25, &[("tenant", "single")])];
    let profile = build(&ProfileBuilder::new().max_values(1), split.chain(single).collect());
    assert_eq!(by_value(&profile, "tenant"), sums(&[("(other)", 25), ("spread", 40)]));
}

#[test]
fn equally_heavy_values_stay_in_alphabetical_order_whatever_the_order_of_samples() {
    let values = ["d", "b", "a", "c"].map(|value| sample(&[1], 1, &[("tenant", value)]));
    let mut turned = values.to_vec();
    turned.reverse();
    for samples in [values.to_vec(), turned] {
        let profile = build(&ProfileBuilder::new().max_values(2), samples);
        assert_eq!(by_value(&profile, "tenant"), sums(&[("(other)", 2), ("a", 1), ("b", 1)]));
    }
}

#[test]
fn as_many_values_as_allowed_are_all_shown_and_not_remarked_on() {
    let samples = ["a", "b"].map(|value| sample(&[1], 1, &[("tenant", value)])).to_vec();
    let profile = build(&ProfileBuilder::new().max_values(2), samples);
    assert_eq!(by_value(&profile, "tenant"), sums(&[("a", 1), ("b", 1)]));
    assert!(decode(&profile.to_pprof()).comments.is_empty());
}

#[test]
fn each_key_has_its_own_bound() {
    let ids = (0..10).map(|id| sample(&[1], 1, &[("tenant", "acme"), ("request_id", &format!("req-{id}"))]));
    let profile = build(&ProfileBuilder::new().max_values(3), ids.collect());
    assert_eq!(by_value(&profile, "tenant"), sums(&[("acme", 10)]));
    assert_eq!(by_value(&profile, "request_id"), sums(&[("(other)", 7), ("req-0", 1), ("req-1", 1), ("req-2", 1)]));
}

#[test]
fn no_more_than_a_thousand_values_of_a_key_are_shown_unless_asked() {
    let ids = (0..1500).map(|id| sample(&[1], 1, &[("request_id", &format!("req-{id}"))]));
    let profile = build(&ProfileBuilder::new(), ids.collect());
    assert_eq!(by_value(&profile, "request_id").len(), 1001);
    assert_eq!(by_value(&profile, "request_id")[0], ("(other)".to_owned(), 500));
}

#[test]
fn only_chosen_keys_show_and_the_total_stays() {
    let samples = vec![
        sample(&[1], 3, &[("tenant", "acme"), ("request_id", "req-1")]),
        sample(&[1], 4, &[("tenant", "acme"), ("request_id", "req-2")]),
        sample(&[1], 5, &[("request_id", "req-3")]),
        sample(&[1], 6, &[]),
    ];
    let profile = build(&ProfileBuilder::new().keys(["tenant"]), samples);
    assert_eq!(by_value(&profile, "tenant"), sums(&[("", 11), ("acme", 7)]));
    assert_eq!(by_value(&profile, "request_id"), sums(&[("", 18)]));
    assert_eq!(profile.samples().len(), 2, "samples that no longer differ are one");
}
