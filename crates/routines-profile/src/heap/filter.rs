//! Owns the quick answer to "is there a sample of the block at this address?", which is nearly always no.

use std::sync::atomic::{AtomicU8, Ordering};

/// How many samples fall on each of these places; a place that was once full stays full, and answers "perhaps" for ever.
static PLACES: [AtomicU8; 1 << BITS] = [const { AtomicU8::new(0) }; 1 << BITS];
const BITS: u32 = 16;
const FULL: u8 = u8::MAX;

/// Whether there is certainly no sample of this block.
///
/// Relaxed: whoever frees a block was handed its address by whoever allocated it, and with it the addition made before.
#[inline]
pub(super) fn is_clear(address: usize) -> bool {
    place(address).load(Ordering::Relaxed) == 0
}

/// One more sample, before its address is handed out.
pub(super) fn add(address: usize) {
    let _full = place(address).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_add(1));
}

/// One sample less; once for each `add`.
pub(super) fn subtract(address: usize) {
    let _full = place(address).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| match count {
        FULL => None,
        count => Some(count - 1),
    });
}

#[inline]
fn place(address: usize) -> &'static AtomicU8 {
    &PLACES[spread(address) >> (64 - BITS)]
}

/// Spreads addresses, whose low bits are all alike, by Fibonacci hashing: the high bits differ.
#[inline]
pub(super) fn spread(address: usize) -> usize {
    (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_clear_again_after_its_last_sample_and_never_after_it_was_full() {
        let address = 0x5000_0000_1230;
        assert!(is_clear(address));
        (0..3).for_each(|_| add(address));
        (0..3).for_each(|_| {
            assert!(!is_clear(address));
            subtract(address);
        });
        assert!(is_clear(address));
        (0..300).for_each(|_| add(address));
        (0..300).for_each(|_| subtract(address));
        assert!(!is_clear(address));
    }
}
