//! Owns the supplier, who is asked for goods nobody has, and asks two warehouses. Tasks that end with the request they are for.

use std::future::pending;

use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::mode;

/// Asks for goods that never come: ends only by being dropped, and what it started with it.
pub(super) async fn ask(order: u64) {
    let warehouses = ["north", "south"].map(|name| AbortOnDropHandle::new(mode::spawn(warehouse(order, name))));
    info!(order, warehouses = warehouses.len(), "the supplier looks for it");
    pending().await
}

async fn warehouse(order: u64, name: &str) {
    info!(order, warehouse = name, "looking for it");
    pending().await
}
