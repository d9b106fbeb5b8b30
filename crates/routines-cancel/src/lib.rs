//! Deadlines and cancellation with cause, ambient.
