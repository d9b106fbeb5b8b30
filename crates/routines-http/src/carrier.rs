//! Owns carriers: whatever has headers, or something like them.
