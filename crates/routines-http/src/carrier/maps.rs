//! Owns what queues have for headers: maps and lists of pairs, with texts or bytes for values.
//!
//! Names are compared whatever their case, but each is written as HTTP writes it: in lower case.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use http::HeaderName;

use super::{Extract, Inject, Text};

impl<V: AsRef<[u8]>, S> Extract for HashMap<String, V, S> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        matching(self, name).for_each(|value| visit(value.as_ref()));
    }
}

impl<V: From<String>, S: BuildHasher> Inject for HashMap<String, V, S> {
    fn put(&mut self, name: &HeaderName, value: Text<'_>) {
        Inject::remove(self, name);
        self.insert(name.to_string(), value.to_string().into());
    }

    fn remove(&mut self, name: &HeaderName) {
        self.retain(|known, _| !known.eq_ignore_ascii_case(name.as_str()));
    }
}

impl<V: AsRef<[u8]>> Extract for BTreeMap<String, V> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        matching(self, name).for_each(|value| visit(value.as_ref()));
    }
}

impl<V: From<String>> Inject for BTreeMap<String, V> {
    fn put(&mut self, name: &HeaderName, value: Text<'_>) {
        Inject::remove(self, name);
        self.insert(name.to_string(), value.to_string().into());
    }

    fn remove(&mut self, name: &HeaderName) {
        self.retain(|known, _| !known.eq_ignore_ascii_case(name.as_str()));
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>> Extract for [(K, V)] {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        matching(self.iter().map(|(known, value)| (known, value)), name).for_each(|value| visit(value.as_ref()));
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>, const N: usize> Extract for [(K, V); N] {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        self.as_slice().each(name, visit);
    }
}

impl<K: AsRef<str>, V: AsRef<[u8]>> Extract for Vec<(K, V)> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        self.as_slice().each(name, visit);
    }
}

impl<K: AsRef<str> + From<String>, V: From<String>> Inject for Vec<(K, V)> {
    fn put(&mut self, name: &HeaderName, value: Text<'_>) {
        Inject::remove(self, name);
        self.push((name.to_string().into(), value.to_string().into()));
    }

    fn remove(&mut self, name: &HeaderName) {
        self.retain(|(known, _)| !known.as_ref().eq_ignore_ascii_case(name.as_str()));
    }
}

fn matching<'a, K: AsRef<str> + 'a, V>(
    pairs: impl IntoIterator<Item = (&'a K, V)>,
    name: &str,
) -> impl Iterator<Item = V> {
    pairs.into_iter().filter(move |(known, _)| known.as_ref().eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
