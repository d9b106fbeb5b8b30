//! Owns parcel labels. Plain code that logs.

use tracing::info;

/// Prints the label of a parcel and returns what is on it.
pub(super) fn print(order: u64) -> String {
    let label = format!("parcel-{order:06}");
    info!(order, label, "label printed");
    label
}
