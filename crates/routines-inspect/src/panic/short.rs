//! Owns what the panicking thread writes itself: in a buffer of its own, allocating nothing for it, running nobody's
//! code.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use routines::{RoutineId, Shown};

pub(super) fn first_line(id: RoutineId) {
    let mut line = Line::new();
    let _ = writeln!(line, "routine {id} panicked; what it is, and what started it:");
    line.put();
}

/// The report without what another thread would have found out.
pub(super) fn write(json: bool, id: RoutineId, values: bool) {
    let mut line = Line::new();
    if json {
        let _ = write!(line, r#"{{"version":1,"event":"panic","routine":{{"id":"#);
        let _ = writeln!(line, r#"{}}},"incomplete":true}}"#, id.as_u64());
    } else {
        let _ = writeln!(line, "routine {id} [running]: no more could be found out in time");
        line.put();
        line = Line::new();
        if values {
            routines::for_each_named(|name, value| {
                let _ = value_line(&mut line, name, value);
            });
        }
    }
    line.put();
}

/// One named value, if showing it runs no code of the program's.
fn value_line(line: &mut Line, name: &str, value: Shown<'_>) -> fmt::Result {
    match value {
        Shown::Str(text) => writeln!(line, "\t{name:?}: {:?}", &text[..text.floor_char_boundary(128)]),
        Shown::I64(_) | Shown::U64(_) | Shown::F64(_) | Shown::Bool(_) => writeln!(line, "\t{name:?}: {value}"),
        _ => writeln!(line, "\t{name:?}: <not shown>"),
    }
}

/// Text of at most a kilobyte; what does not fit is left out.
struct Line {
    bytes: [u8; 1024],
    len: usize,
}

impl Line {
    fn new() -> Line {
        Line { bytes: [0; 1024], len: 0 }
    }

    fn put(&self) {
        // Nobody can be told that standard error is closed.
        let _ = io::stderr().write_all(self.bytes.get(..self.len).unwrap_or_default());
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
