//! Owns the oracle: reads the lines back and tells, without asking the library, whether each carries the right id.
//!
//! The truth of a line is the order it is about. Code that logs was handed that number as an argument and wrote it into
//! the line, or into the SQL text that the driver's callback logged; the id follows from it, as the client chose it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The field that must be right.
const ID: &str = "request_id";
/// So many faulty lines are kept to be shown.
const SHOWN_FAULTS: usize = 5;

/// What was found in the lines so far.
#[derive(Debug)]
pub(crate) struct Check {
    expected: fn(u64) -> String,
    /// Lines about a request, by the module that wrote them.
    pub(crate) about_requests: BTreeMap<String, usize>,
    /// Lines about none: the service opens, stock is counted.
    pub(crate) about_none: usize,
    /// Lines about a request without an id.
    pub(crate) missing: usize,
    /// Lines with an id of another request, or about none and with an id all the same.
    pub(crate) wrong: usize,
    /// Lines that are not a JSON object, or name several orders.
    pub(crate) unreadable: usize,
    /// The first lines that were not right.
    pub(crate) faults: Vec<String>,
}

impl Check {
    /// A check of lines whose id for an order is `expected(order)`.
    pub(crate) fn new(expected: fn(u64) -> String) -> Self {
        Check {
            expected,
            about_requests: BTreeMap::new(),
            about_none: 0,
            missing: 0,
            wrong: 0,
            unreadable: 0,
            faults: Vec::new(),
        }
    }

    /// Checks every line of `text`.
    pub(crate) fn lines(&mut self, text: &str) {
        text.lines().for_each(|line| self.line(line));
    }

    /// How many lines were about a request.
    pub(crate) fn owned(&self) -> usize {
        self.about_requests.values().sum()
    }

    /// Whether there was not one fault.
    pub(crate) fn is_clean(&self) -> bool {
        self.missing + self.wrong + self.unreadable == 0
    }

    fn line(&mut self, line: &str) {
        let Some((fields, order)) = read(line) else {
            self.unreadable += 1;
            return self.fault(line);
        };
        match order {
            Some(_) => *self.about_requests.entry(source(&fields)).or_default() += 1,
            None => self.about_none += 1,
        }
        match (order.map(self.expected), fields.get(ID)) {
            (Some(_), None) => self.missing += 1,
            (Some(expected), Some(Value::String(id))) if *id == expected => return,
            (None, None) => return,
            _ => self.wrong += 1,
        }
        self.fault(line);
    }

    fn fault(&mut self, line: &str) {
        if self.faults.len() < SHOWN_FAULTS {
            self.faults.push(line.to_owned());
        }
    }
}

/// The order a line is about, if it is about one.
pub(crate) fn order_of(line: &str) -> Option<u64> {
    read(line)?.1
}

/// How many lines carry an id, and how many are about a request.
pub(crate) fn count(text: &str) -> (usize, usize) {
    let lines = || text.lines().filter_map(read);
    (
        lines().filter(|(fields, _)| fields.contains_key(ID)).count(),
        lines().filter(|(_, order)| order.is_some()).count(),
    )
}

fn read(line: &str) -> Option<(Map<String, Value>, Option<u64>)> {
    let fields: Map<String, Value> = serde_json::from_str(line).ok()?;
    let order = match (fields.get("order"), fields.get("sql")) {
        (Some(order), _) => Some(order.as_u64()?),
        (None, Some(sql)) => order_in(sql.as_str()?)?,
        (None, None) => None,
    };
    Some((fields, order))
}

/// The order a statement names, in any of the ways [`crate::service::Db`] does; `None` if it names several.
fn order_in(sql: &str) -> Option<Option<u64>> {
    let named = ["/* order */ ", "order_"].into_iter().flat_map(|mark| sql.split(mark).skip(1)).filter_map(number);
    let orders: Vec<u64> = named.collect();
    match orders.split_first() {
        None => Some(None),
        Some((first, rest)) => rest.iter().all(|other| other == first).then_some(Some(*first)),
    }
}

/// The number that `text` begins with.
fn number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The module that wrote a line, without the crate's name.
fn source(fields: &Map<String, Value>) -> String {
    let target = fields.get("target").and_then(Value::as_str).unwrap_or_default();
    target.rsplit("::").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(lines: &str) -> Check {
        let mut check = Check::new(|order| format!("req-\"{order}\""));
        check.lines(lines);
        check
    }

    #[test]
    fn a_right_line_is_right() {
        let check =
            checked(r#"{"message":"paid","order":7,"target":"storefront::service::payment","request_id":"req-\"7\""}"#);
        assert!(check.is_clean());
        assert_eq!(check.about_requests.get("payment"), Some(&1));
    }

    #[test]
    fn the_id_of_another_request_is_wrong() {
        let check = checked(r#"{"message":"paid","order":7,"request_id":"req-\"8\""}"#);
        assert_eq!((check.wrong, check.missing, check.faults.len()), (1, 0, 1));
        assert!(!check.is_clean());
    }

    #[test]
    fn an_id_that_is_not_there_is_missing() {
        let check = checked(r#"{"message":"paid","order":7}"#);
        assert_eq!((check.wrong, check.missing, check.faults.len()), (0, 1, 1));
        assert!(!check.is_clean());
    }

    #[test]
    fn an_id_that_is_not_text_is_wrong() {
        assert_eq!(checked(r#"{"order":7,"request_id":7}"#).wrong, 1);
    }

    #[test]
    fn a_line_about_no_request_must_have_no_id() {
        assert!(checked(r#"{"message":"stock counted"}"#).is_clean());
        assert_eq!(checked(r#"{"message":"stock counted","request_id":"req-\"7\""}"#).wrong, 1);
    }

    #[test]
    fn a_statement_tells_its_order_by_comment_or_savepoint() {
        for sql in ["SAVEPOINT order_7", "RELEASE order_7", "SELECT x FROM orders WHERE number = /* order */ 7"] {
            assert_eq!(checked(&format!(r#"{{"sql":"{sql}","request_id":"req-\"7\""}}"#)).owned(), 1);
            assert_eq!(checked(&format!(r#"{{"sql":"{sql}","request_id":"req-\"8\""}}"#)).wrong, 1);
            assert_eq!(checked(&format!(r#"{{"sql":"{sql}"}}"#)).missing, 1);
        }
        assert_eq!(checked(r#"{"sql":"CREATE TABLE orders (number INTEGER)"}"#).about_none, 1);
    }

    #[test]
    fn a_line_that_is_cut_or_ambiguous_is_a_fault() {
        assert_eq!(checked(r#"{"order":7,"request_id":"req"#).unreadable, 1);
        assert_eq!(checked(r#"{"order":"7","request_id":"req-\"7\""}"#).unreadable, 1);
        assert_eq!(checked(r#"{"sql":"order_7 order_8","request_id":"req-\"7\""}"#).unreadable, 1);
        assert!(!checked("no json").is_clean());
    }

    #[test]
    fn ids_and_owners_are_counted_apart() {
        assert_eq!(count("{\"order\":7}\n{\"order\":7,\"request_id\":\"x\"}\n{}\n"), (1, 2));
    }
}
