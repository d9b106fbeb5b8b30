//! Owns the tests of records and of what publishing refuses; those that need exported symbols are in `tests/exported`.

mod current;
mod record;
mod refused;
