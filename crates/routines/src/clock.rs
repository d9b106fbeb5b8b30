//! Owns the clock that ages are told by: monotonic, a few milliseconds coarse, cheap enough for every spawn.
//!
//! `Instant::now` costs about as much as everything else a spawn adds; the coarse clock two fifths of it (bench group `floors`).

/// Nanoseconds since some fixed moment of this boot.
pub(crate) fn now() -> u64 {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        let nanos = |time: nix::sys::time::TimeSpec| (time.tv_sec() as u64) * 1_000_000_000 + time.tv_nsec() as u64;
        // Every Linux has this clock.
        nix::time::ClockId::CLOCK_MONOTONIC_COARSE.now().map_or(0, nanos)
    }
    #[cfg(any(not(target_os = "linux"), miri))]
    {
        use std::sync::LazyLock;
        use std::time::Instant;
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
