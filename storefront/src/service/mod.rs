//! Owns the service: its state, its routes and running it on a listener.
//!
//! Only `request_id` and `tenant` name the library, and only `orders`, `stockroom` and `supplier` start work. `db`, `label`, `mail`, `payment` and
//! `pricing` are plain code: they log, and know nothing of requests or routines.

mod backorders;
mod db;
mod label;
mod mail;
mod orders;
mod payment;
mod pricing;
mod request_id;
mod stockroom;
mod supplier;
mod tenant;

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

pub(crate) use backorders::Backorders;
pub(crate) use db::Db;
pub(crate) use orders::{Receipt, Trouble, Wish};
pub(crate) use request_id::HEADER;
use stockroom::Stockroom;
pub(crate) use tenant::HEADER as TENANT;

/// What all requests share.
pub(crate) struct Shop {
    db: Db,
    /// The orders whose customers are waiting for stock.
    pub(crate) backorders: Backorders,
    stockroom: Stockroom,
    mails: TaskTracker,
    last_number: AtomicU64,
}

impl Shop {
    /// Opens a shop whose database is a new file in `directory`.
    pub(crate) fn open(directory: &Path) -> rusqlite::Result<Arc<Shop>> {
        Ok(Arc::new(Shop {
            db: Db::open(&directory.join("shop.sqlite"))?,
            backorders: Backorders::new(),
            stockroom: Stockroom::new(),
            mails: TaskTracker::new(),
            last_number: AtomicU64::new(0),
        }))
    }

    /// A number for an order that came without one.
    fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Waits until nothing is left of the requests that were answered or abandoned.
    pub(crate) async fn quiet(&self) {
        self.backorders.until_none().await;
        self.mails.close();
        self.mails.wait().await;
        self.mails.reopen();
    }
}

/// Serves `shop` on `listener` until `stop` completes and the requests in flight are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    shop: Arc<Shop>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    tracing::info!(address = %listener.local_addr()?, "open for business");
    axum::serve(listener, router(shop, orders())).with_graceful_shutdown(stop).await?;
    tracing::info!("closed");
    Ok(())
}

/// Serves `shop` on `listener` without end, each order's work accounted to its tenant and its route.
pub(crate) async fn serve_accounted(listener: TcpListener, shop: Arc<Shop>) -> io::Result<()> {
    axum::serve(listener, router(shop, orders().route_layer(middleware::from_fn(tenant::bind)))).await
}

fn orders() -> Router<Arc<Shop>> {
    Router::new().route("/orders", post(orders::place))
}

fn router(shop: Arc<Shop>, orders: Router<Arc<Shop>>) -> Router {
    orders
        .layer(middleware::from_fn(request_id::bind))
        .route("/routines", get(async || routines::dump().tree().to_string()))
        .with_state(shop)
}
