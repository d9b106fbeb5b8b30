//! Owns what strangers send: strategies for arbitrary, nearly valid and damaged headers, and how many of them are tried.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Set `FORMATS_CASES` for a long run.
pub(crate) fn many() -> ProptestConfig {
    let cases = std::env::var("FORMATS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Header lines: noise, pieces of the grammar in any order, or valid ones with damage.
pub(crate) fn lines(
    pieces: &'static [&'static str],
    valid: &'static [&'static str],
) -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(prop_oneof![1 => noise(), 4 => soup(pieces), 4 => damaged(valid)], 0..4)
}

pub(crate) fn noise() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

fn soup(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    vec(select(pieces), 0..60).prop_map(|pieces| pieces.concat().into_bytes())
}

pub(crate) fn damaged(valid: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    (select(valid), vec(damage(), 0..4)).prop_map(|(valid, damages)| {
        damages.into_iter().fold(valid.as_bytes().to_vec(), |header, damage| damage.done_to(header))
    })
}

#[derive(Clone, Debug)]
enum Damage {
    Replace(Index, u8),
    Insert(Index, u8),
    Cut(Index),
    Repeat(usize),
    Swap(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = || prop_oneof![select(b"%+=,;\"\\ \t\r\n\0-0aAfFzZ@*\xff\xc3".as_slice()).prop_map(|b| b), any::<u8>()];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        any::<Index>().prop_map(Damage::Cut),
        (2..40_usize).prop_map(Damage::Repeat),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Damage::Swap(a, b)),
    ]
}

impl Damage {
    fn done_to(self, mut header: Vec<u8>) -> Vec<u8> {
        if header.is_empty() {
            return header;
        }
        match self {
            Damage::Replace(at, byte) => *at.get_mut(&mut header) = byte,
            Damage::Insert(at, byte) => header.insert(at.index(header.len()), byte),
            Damage::Cut(at) => header.truncate(at.index(header.len())),
            Damage::Repeat(times) if header.len() < 3_000 => header = vec![header; times].join(&b','),
            Damage::Repeat(_) => {}
            Damage::Swap(a, b) => {
                let (a, b) = (a.index(header.len()), b.index(header.len()));
                header.swap(a, b);
            }
        }
        header
    }
}
