//! Owns which routines may outlive a test.

use routines::RoutineInfo;

/// Names, and places in the source.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    names: Vec<String>,
    locations: Vec<String>,
}

impl Allowed {
    pub(super) fn name(&mut self, name: String) {
        self.names.push(name);
    }

    pub(super) fn location(&mut self, location: String) {
        self.locations.push(location);
    }

    pub(super) fn covers(&self, info: &RoutineInfo) -> bool {
        let named = |name| self.names.contains(name);
        let placed = |at: &String| self.locations.iter().any(|allowed| is_at(at, allowed));
        info.name.as_ref().is_some_and(named) || info.spawned_at.as_ref().is_some_and(placed)
    }
}

/// Whether `at`, a `path:line`, is in the file, or on the line, that `place` names by the end of its path.
fn is_at(at: &str, place: &str) -> bool {
    let file = at.rsplit_once(':').map_or(at, |(file, _)| file);
    [at, file].into_iter().any(|whole| match whole.strip_suffix(place) {
        Some(before) => !place.is_empty() && (before.is_empty() || before.ends_with(['/', '\\'])),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::is_at;

    #[test]
    fn a_place_is_a_file_or_a_line_by_the_end_of_its_path() {
        for place in ["crates/x/src/pool.rs", "src/pool.rs", "pool.rs", "pool.rs:17", "src/pool.rs:17"] {
            assert!(is_at("crates/x/src/pool.rs:17", place), "{place}");
        }
        for place in ["ool.rs", "pool.rs:1", "pool.rs:7", "pool", "17", "", "x/src", "src/pool.rs:170"] {
            assert!(!is_at("crates/x/src/pool.rs:17", place), "{place}");
        }
        assert!(is_at(r"src\pool.rs:17", "pool.rs"));
    }
}
