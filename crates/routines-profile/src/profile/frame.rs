//! Owns what a frame of a stack is: an address in a mapped file, and the calls that were compiled into it.

use std::fmt;
use std::sync::Arc;

/// One frame of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Frame {
    /// The address of the instruction; 0 for a frame that stands for something else, as a label or a spawn location.
    pub address: u64,
    /// The mapped file in which the address is, if it is in any.
    pub mapping: Option<Arc<Mapping>>,
    /// The calls at this address: the innermost inlined one first, last the function that was called. Empty when nothing is
    /// known of the address.
    pub calls: Vec<Call>,
}

/// A function, and the line in it at which a frame is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Call {
    /// The function's name.
    pub function: String,
    /// The source file, empty if it is not known.
    pub file: String,
    /// The line, 0 if it is not known.
    pub line: u32,
}

/// A stretch of a file that is mapped into the process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The address after its last.
    pub end: u64,
    /// Where in the file it starts.
    pub offset: u64,
    /// The path of the file, or what the system says instead, as `[vdso]`.
    pub path: String,
}

impl Frame {
    /// A frame that stands for something that is no code.
    pub(crate) fn synthetic(name: String) -> Arc<Self> {
        Arc::new(Self { address: 0, mapping: None, calls: vec![Call { function: name, file: String::new(), line: 0 }] })
    }

    /// A frame for each call, the innermost first: for readers that know no inlined calls.
    pub(crate) fn apart(self: &Arc<Self>) -> Vec<Arc<Self>> {
        match self.calls.as_slice() {
            [] | [_] => vec![self.clone()],
            calls => {
                calls.iter().map(|call| Arc::new(Self { calls: vec![call.clone()], ..Self::clone(self) })).collect()
            }
        }
    }

    /// What to call it where only one name fits: for each call its function, the outermost first.
    pub(crate) fn names(&self) -> Vec<String> {
        match self.calls.as_slice() {
            [] => vec![self.to_string()],
            calls => calls.iter().rev().map(|call| call.function.clone()).collect(),
        }
    }
}

impl fmt::Display for Frame {
    /// The innermost function, or the file's name and the offset in it, or the bare address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.calls.first(), &self.mapping) {
            (Some(call), _) => f.write_str(&call.function),
            (None, Some(mapping)) => {
                let file = mapping.path.rsplit('/').next().unwrap_or_default();
                write!(f, "{file}+{:#x}", self.address - mapping.start + mapping.offset)
            }
            (None, None) => write!(f, "{:#x}", self.address),
        }
    }
}
