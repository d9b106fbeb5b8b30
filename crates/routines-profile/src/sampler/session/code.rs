//! Owns the question whether an address can be code: what a walk took from a thread that keeps no frame pointers must not
//! appear as calls.

use std::fs;
use std::ops::Range;

use procfs_core::FromRead;
use procfs_core::process::{MMPermissions, MemoryMap, MemoryMaps};

/// Every range that was executable at some time of a profile; unloaded code stays, since samples were taken in it.
#[derive(Default)]
pub(super) struct Code {
    ranges: Vec<Range<usize>>,
    fresh: bool,
}

impl Code {
    /// From now on an unknown address may lead to one look at the process's mappings.
    pub(super) fn may_have_changed(&mut self) {
        self.fresh = false;
    }

    /// Ends the stack before the first address that no call can have left there. The interrupted address itself always stays.
    pub(super) fn cut(&mut self, pcs: &mut Vec<usize>) {
        let calls = pcs.iter().skip(1).take_while(|&&pc| self.holds(pc.wrapping_sub(1))).count();
        pcs.truncate(1 + calls);
    }

    fn holds(&mut self, pc: usize) -> bool {
        if self.knows(pc) {
            return true;
        }
        if !self.fresh {
            self.fresh = true;
            self.learn(&fs::read("/proc/self/maps").unwrap_or_default());
        }
        self.knows(pc)
    }

    fn knows(&self, pc: usize) -> bool {
        self.ranges.iter().any(|range| range.contains(&pc))
    }

    fn learn(&mut self, maps: &[u8]) {
        let maps = MemoryMaps::from_read(maps).map_or_else(|_| Vec::new(), |maps| maps.0);
        for range in maps.iter().filter_map(executable) {
            if !self.ranges.contains(&range) {
                self.ranges.push(range);
            }
        }
    }
}

fn executable(map: &MemoryMap) -> Option<Range<usize>> {
    let (start, end) = map.address;
    map.perms.contains(MMPermissions::EXECUTE).then_some(start as usize..end as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &[u8] = b"1000-2000 r-xp 00000000 00:00 0 /bin/program\n2000-3000 rw-p 00000000 00:00 0 [heap]\n";

    #[test]
    fn a_stack_ends_before_the_first_address_that_is_no_code() {
        let mut code = Code { fresh: true, ..Code::default() };
        code.learn(MAPS);
        let mut pcs = vec![0x2500, 0x1004, 0x2000, 0x2004, 0x1008];
        code.cut(&mut pcs);
        assert_eq!(pcs, [0x2500, 0x1004, 0x2000], "0x2000 is where a call that ends the range returns to");
    }

    #[test]
    fn code_that_was_mapped_later_is_found() {
        let mut code = Code { fresh: true, ..Code::default() };
        let here = code_that_was_mapped_later_is_found as fn() as usize;
        assert!(!code.holds(here));
        code.may_have_changed();
        assert!(code.holds(here));
    }
}
