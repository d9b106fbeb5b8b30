//! Owns the headers of HTTP as carriers.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Extract, Inject, Text};

impl Extract for HeaderMap {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        self.get_all(name).iter().for_each(|value| visit(value.as_bytes()));
    }
}

impl Inject for HeaderMap {
    fn put(&mut self, name: &HeaderName, value: Text<'_>) {
        Inject::remove(self, name);
        if let Ok(value) = HeaderValue::from_str(&value) {
            // A map that is full to its last place goes without.
            let _full = self.try_insert(name, value);
        }
    }

    fn remove(&mut self, name: &HeaderName) {
        HeaderMap::remove(self, name);
    }
}
