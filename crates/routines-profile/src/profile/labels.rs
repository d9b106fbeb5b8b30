//! Owns which labels a profile shows: the keys that were asked for, and no more values of each than its reader can use.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::Sample;

/// What stands for the values that a profile has no room for.
pub(crate) const OTHER: &str = "(other)";

/// Which keys of labels a profile shows, and how many values of each.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// In this order as root frames; all keys, by name, if empty.
    pub(crate) keys: Vec<String>,
    pub(crate) max_values: usize,
}

impl Shown {
    /// Leaves out the labels of keys that nobody asked for, and puts the rest in order.
    pub(crate) fn select(&self, labels: &mut Vec<(String, String)>) {
        if self.keys.is_empty() {
            return labels.sort();
        }
        let place = |key: &str| self.keys.iter().position(|shown| shown == key);
        labels.retain(|(key, _)| place(key).is_some());
        labels.sort_by_key(|(key, _)| place(key));
    }

    /// Makes the lightest values of each key that has too many [`OTHER`], and says of which keys.
    pub(crate) fn bound(&self, samples: &mut [Sample]) -> Vec<String> {
        let crowded = self.crowded(samples);
        for (key, value) in samples.iter_mut().flat_map(|sample| &mut sample.labels) {
            if crowded.get(key.as_str()).is_some_and(|kept| !kept.contains(value.as_str())) {
                OTHER.clone_into(value);
            }
        }
        let mut remarks: Vec<_> = crowded
            .keys()
            .map(|key| format!("{key}: the {} heaviest values are shown, the rest as {OTHER}", self.max_values))
            .collect();
        remarks.sort();
        remarks
    }

    /// The keys with too many values, each with the values that stay.
    fn crowded(&self, samples: &[Sample]) -> HashMap<String, HashSet<String>> {
        let mut weights: HashMap<&str, HashMap<&str, u64>> = HashMap::new();
        for sample in samples {
            for (key, value) in &sample.labels {
                *weights.entry(key).or_default().entry(value).or_default() += sample.weight();
            }
        }
        let crowded = weights.into_iter().filter(|(_, values)| values.len() > self.max_values);
        crowded.map(|(key, values)| (key.to_owned(), self.heaviest(values))).collect()
    }

    /// Values of one weight are taken in alphabetical order, so that a profile depends on its samples alone.
    fn heaviest(&self, values: HashMap<&str, u64>) -> HashSet<String> {
        let mut values: Vec<_> = values.into_iter().map(|(value, weight)| (Reverse(weight), value)).collect();
        values.sort_unstable();
        values.into_iter().take(self.max_values).map(|(_, value)| value.to_owned()).collect()
    }
}
