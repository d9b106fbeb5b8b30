//! Owns the clock that ages are told by: monotonic, a few milliseconds coarse, cheap enough for every spawn.
//!
//! `Instant::now` costs about as much as everything else a spawn adds; the coarse clock a fifth of it (bench group `floors`).

/// Nanoseconds since some fixed moment of this boot.
pub(crate) fn now() -> u64 {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        use coarsetime::{Duration, Instant};
        // Without the update: a cache line that all threads write to costs more than the clock.
        Duration::from_ticks(Instant::now_without_cache_update().as_ticks()).as_nanos()
    }
    #[cfg(any(not(target_os = "linux"), miri))]
    {
        use std::sync::LazyLock;
        use std::time::Instant;
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
