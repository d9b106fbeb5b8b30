//! Owns the id a request is known by in logs.
