//! Owns what the front says to the inventory: messages and the service, as `build.rs` defines it.

pub(super) use self::generated::inventory_client::InventoryClient;
pub(super) use self::generated::inventory_server::{Inventory, InventoryServer};

/// Asks to put the goods of an order aside.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Reserve {
    #[prost(uint64, tag = "1")]
    pub(super) order: u64,
    /// So long the inventory takes for it.
    #[prost(uint64, tag = "2")]
    pub(super) millis: u64,
}

/// The goods are put aside; whose the inventory took the order for.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Reserved {
    #[prost(string, tag = "1")]
    pub(super) request_id: String,
    #[prost(string, tag = "2")]
    pub(super) trace_id: String,
    #[prost(string, tag = "3")]
    pub(super) tenant: String,
}

#[allow(unreachable_pub, missing_docs, clippy::all, reason = "written by a machine")]
mod generated {
    use super::{Reserve, Reserved};

    include!(concat!(env!("OUT_DIR"), "/fleet.Inventory.rs"));
}
