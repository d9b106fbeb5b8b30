//! Owns the way from an address to names: which file is mapped there, and what that file's debug information says.
//!
//! The mappings are read anew for every profile, so that code that was loaded or unloaded between two profiles has its own
//! names in each. All of it is forgotten with the profile: debug information of a large program is large.

use std::collections::HashMap;
use std::fs::{self, File};
use std::sync::Arc;

use addr2line::{Loader, demangle_auto};
use object::read::ReadCache;
use object::{Object, ObjectSegment};
use procfs_core::FromRead;
use procfs_core::process::{MMPermissions, MMapPath, MemoryMaps};

use super::frame::{Call, Frame, Mapping};

/// What the executable mappings of this process mean, as of when this was made.
pub(crate) struct Symbols {
    mappings: Vec<Arc<Mapping>>,
    files: HashMap<String, Option<Image>>,
    frames: HashMap<u64, Arc<Frame>>,
}

/// A file of machine code.
struct Image {
    loader: Loader,
    segments: Vec<Segment>,
}

struct Segment {
    offset: u64,
    len: u64,
    address: u64,
}

impl Symbols {
    /// Reads the process's mappings; on a system without them nothing has a name.
    pub(crate) fn read() -> Self {
        Self { mappings: mappings(), files: HashMap::new(), frames: HashMap::new() }
    }

    /// The mapping of the program itself.
    pub(crate) fn program(&self) -> Option<&Arc<Mapping>> {
        let program = program()?;
        self.mappings.iter().find(|mapping| mapping.path == program)
    }

    /// The frame of the instruction at this address: of a return address, give the one before it.
    pub(crate) fn frame(&mut self, address: usize) -> Arc<Frame> {
        let address = address as u64;
        if let Some(frame) = self.frames.get(&address) {
            return frame.clone();
        }
        let mapping = self.mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&address)).cloned();
        let calls = mapping.as_ref().map(|mapping| self.calls(mapping, address)).unwrap_or_default();
        let frame = Arc::new(Frame { address, mapping, calls });
        self.frames.insert(address, frame.clone());
        frame
    }

    fn calls(&mut self, mapping: &Mapping, address: u64) -> Vec<Call> {
        let image = self.files.entry(mapping.path.clone()).or_insert_with_key(|path| Image::open(path));
        image.as_ref().and_then(|image| image.calls(address - mapping.start + mapping.offset)).unwrap_or_default()
    }
}

impl Image {
    fn open(path: &str) -> Option<Self> {
        // The program's file may have been replaced or removed since it was started; this link still leads to what runs.
        let path = if program().as_deref() == Some(path) { "/proc/self/exe" } else { path };
        Some(Self { segments: segments(path)?, loader: Loader::new(path).ok()? })
    }

    fn calls(&self, offset: u64) -> Option<Vec<Call>> {
        let segment =
            self.segments.iter().find(|segment| (segment.offset..segment.offset + segment.len).contains(&offset))?;
        let address = offset - segment.offset + segment.address;
        let calls = self.described(address).unwrap_or_default();
        Some(if calls.is_empty() { self.listed(address).into_iter().collect() } else { calls })
    }

    /// By the debug information, with inlined calls.
    fn described(&self, address: u64) -> Option<Vec<Call>> {
        let mut frames = self.loader.find_frames(address).ok()?;
        let (mut calls, mut has_path) = (Vec::new(), true);
        while let Ok(Some(frame)) = frames.next() {
            let function = match &frame.function {
                Some(name) => name.demangle().ok()?.into_owned(),
                None => self.listed(address)?.function,
            };
            has_path = frame.function.is_none_or(|name| name.raw_name().is_ok_and(|raw| raw != function));
            let (file, line) = frame.location.map_or((None, None), |at| (at.file, at.line));
            calls.push(Call { function, file: file.unwrap_or_default().to_owned(), line: line.unwrap_or_default() });
        }
        // Where it has little but lines it has bare names; the function that the others were inlined into is in the table, too.
        if !has_path && let (Some(call), Some(listed)) = (calls.last_mut(), self.listed(address)) {
            call.function = listed.function;
        }
        Some(calls)
    }

    /// By the table of symbols, which has functions only.
    fn listed(&self, address: u64) -> Option<Call> {
        let name = self.loader.find_symbol(address)?;
        Some(Call { function: demangle_auto(name.into(), None).into_owned(), file: String::new(), line: 0 })
    }
}

fn segments(path: &str) -> Option<Vec<Segment>> {
    let cache = ReadCache::new(File::open(path).ok()?);
    let file = object::File::parse(&cache).ok()?;
    let segment = |segment: object::Segment<'_, '_, _>| {
        let (offset, len) = segment.file_range();
        Segment { offset, len, address: segment.address() }
    };
    Some(file.segments().map(segment).collect())
}

fn mappings() -> Vec<Arc<Mapping>> {
    let maps = MemoryMaps::from_file("/proc/self/maps").map(|maps| maps.0).unwrap_or_default();
    let code = maps.into_iter().filter(|map| map.perms.contains(MMPermissions::EXECUTE));
    let mapping = |map: procfs_core::process::MemoryMap| Mapping {
        start: map.address.0,
        end: map.address.1,
        offset: map.offset,
        path: match map.pathname {
            MMapPath::Path(path) => path.to_string_lossy().into_owned(),
            MMapPath::Vdso => "[vdso]".to_owned(),
            _ => "[anonymous]".to_owned(),
        },
    };
    code.map(|map| Arc::new(mapping(map))).collect()
}

fn program() -> Option<String> {
    Some(fs::read_link("/proc/self/exe").ok()?.to_string_lossy().into_owned())
}
