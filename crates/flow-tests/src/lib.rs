//! Nothing: this crate holds the tests of docs/flow.md that need executors and pools of others.
