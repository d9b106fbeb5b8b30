//! Owns the look at our own program: does it export what readers look for?

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use object::Endianness;
use object::elf::{FileHeader64, SHN_UNDEF, SHT_DYNSYM};
use object::read::ReadCache;
use object::read::elf::{FileHeader, Sym};

use super::PublishError;

/// Fails if the program or library that this code is in does not define one of `symbols` in its dynamic symbol table.
pub(super) fn check(symbols: &[&'static str]) -> Result<(), PublishError> {
    let os = |source| PublishError::Os { what: "read this program's own symbols", source };
    let module = own_module().map_err(os)?;
    let missing = missing(&module, symbols).map_err(os)?;
    if missing.is_empty() { Ok(()) } else { Err(PublishError::NotExported { module, symbols: missing }) }
}

/// The file this code was loaded from.
fn own_module() -> io::Result<PathBuf> {
    let here = check as *const () as usize as u64;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let path = maps.lines().find_map(|line| {
        let (start, rest) = line.split_once('-')?;
        let (end, rest) = rest.split_once(' ')?;
        let within = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
        within.contains(&here).then(|| rest.find('/').map(|at| PathBuf::from(&rest[at..])))?
    });
    match path {
        // The link also leads to a program whose file was replaced while it runs.
        Some(path) if fs::read_link("/proc/self/exe")? == path => Ok("/proc/self/exe".into()),
        Some(path) => Ok(path),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

fn missing(module: &PathBuf, symbols: &[&'static str]) -> io::Result<Vec<&'static str>> {
    let file = ReadCache::new(File::open(module)?);
    let exported = exported(&file).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(symbols.iter().copied().filter(|symbol| !exported.iter().any(|name| name == symbol.as_bytes())).collect())
}

fn exported(file: &ReadCache<File>) -> object::Result<Vec<Vec<u8>>> {
    let header = FileHeader64::<Endianness>::parse(file)?;
    let endian = header.endian()?;
    let table = header.sections(endian, file)?.symbols(endian, file, SHT_DYNSYM)?;
    let defined = table.iter().filter(|symbol| symbol.st_shndx(endian) != SHN_UNDEF);
    defined.map(|symbol| Ok(symbol.name(endian, table.strings())?.to_vec())).collect()
}
