//! Sixty-four of everything: the names that peers with one item for each key make their keys from.

/// How many values the cases carry.
pub(crate) const COUNTS: [usize; 3] = [1, 8, 64];

/// The names of sixty-four keys, for peers whose keys are strings.
pub(crate) static NAMES: [&str; 64] = sixty_four!(as_strings);

/// How a case that carries so many values is called.
pub(crate) fn values(count: usize) -> String {
    match count {
        1 => "1 value".to_owned(),
        _ => format!("{count} values"),
    }
}

/// Calls a macro with sixty-four identifiers.
macro_rules! sixty_four {
    ($callback:ident) => {
        $callback! {
            K0 K1 K2 K3 K4 K5 K6 K7 K8 K9 K10 K11 K12 K13 K14 K15 K16 K17 K18 K19 K20 K21
            K22 K23 K24 K25 K26 K27 K28 K29 K30 K31 K32 K33 K34 K35 K36 K37 K38 K39 K40 K41 K42
            K43 K44 K45 K46 K47 K48 K49 K50 K51 K52 K53 K54 K55 K56 K57 K58 K59 K60 K61 K62 K63
        }
    };
}
pub(crate) use sixty_four;

macro_rules! as_strings {
    ($($key:ident)*) => { [$(stringify!($key)),*] };
}
use as_strings;
