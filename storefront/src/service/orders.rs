//! Owns the one thing customers do: placing an order, which fans out to a task, a blocking job, a thread and an actor.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info};

use super::{Shop, label, mail, payment, pricing, supplier};
use crate::mode;

/// The body of a request for an order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Wish {
    /// The number the customer's books have for it.
    pub(crate) order: Option<u64>,
    /// The product.
    pub(crate) sku: u32,
    /// How many of it.
    pub(crate) quantity: u32,
    /// What will go wrong.
    #[serde(default)]
    pub(crate) trouble: Trouble,
}

/// What goes wrong with an order, chosen by the customer so that a run can be repeated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// The bank does not answer the first time.
    SlowBank,
    /// There is no stock, and none comes: the answer never does either.
    NoStock,
    /// As `NoStock`, and a supplier is asked for more: three tasks that live as long as the customer waits.
    SlowSupplier,
}

/// The body of the answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// The order's number.
    pub(crate) order: u64,
    /// What was charged.
    pub(crate) cents: u64,
    /// How often the bank was asked.
    pub(crate) attempts: u32,
}

/// Places an order. Note what it does not pass on: the request's id.
pub(super) async fn place(State(shop): State<Arc<Shop>>, Json(wish): Json<Wish>) -> Result<Json<Receipt>, Failure> {
    let order = wish.order.unwrap_or_else(|| shop.next_number());
    info!(order, sku = wish.sku, quantity = wish.quantity, "order received");
    let discount = mode::spawn(pricing::quote(order, wish.sku, wish.quantity));
    let stored = store(&shop, order, &wish);
    let (percent, stored, label) = tokio::join!(discount, stored, print_label(order));
    let (percent, cents, label) = (percent?, stored??, label?);
    info!(order, percent, cents, label, "order written down");
    let picked = shop.stockroom.pick(order, wish.quantity).await;
    match wish.trouble {
        Trouble::NoStock => shop.backorders.wait(order).await,
        Trouble::SlowSupplier => AbortOnDropHandle::new(mode::spawn(supplier::ask(order))).await?,
        Trouble::None | Trouble::SlowBank => {}
    }
    let attempts = payment::charge(order, cents, wish.trouble == Trouble::SlowBank).await?;
    mode::spawn(shop.mails.track_future(mail::confirm(order)));
    info!(order, picked, attempts, "order accepted");
    Ok(Json(Receipt { order, cents, attempts }))
}

/// Writes the order down in a blocking job.
async fn store(shop: &Arc<Shop>, order: u64, wish: &Wish) -> Result<rusqlite::Result<u64>, Failure> {
    let (shop, sku, quantity) = (Arc::clone(shop), wish.sku, wish.quantity);
    let job = mode::spawn_blocking(move || {
        shop.db.insert(order, sku, quantity)?;
        shop.db.total(order)
    });
    Ok(job.await?)
}

/// Prints the parcel's label on a thread of its own, as a driver that blocks for long would want.
async fn print_label(order: u64) -> Result<String, Failure> {
    let (done, label) = oneshot::channel();
    mode::thread(move || {
        // The customer may have left meanwhile.
        let _ = done.send(label::print(order));
    });
    label.await.map_err(|_| Failure::Internal("the label printer broke".into()))
}

/// Why there is no receipt.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is an order of that number, or no such product.
    Refused(String),
    /// The bank never answered.
    Unpaid,
    /// Something broke.
    Internal(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Failure::Refused(error.to_string()),
            _ => Failure::Internal(error.to_string()),
        }
    }
}

impl From<tokio::task::JoinError> for Failure {
    fn from(error: tokio::task::JoinError) -> Self {
        Failure::Internal(error.to_string())
    }
}

impl From<payment::NoAnswer> for Failure {
    fn from(_: payment::NoAnswer) -> Self {
        Failure::Unpaid
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Failure::Refused(why) => (StatusCode::CONFLICT, why),
            Failure::Unpaid => (StatusCode::GATEWAY_TIMEOUT, "the bank does not answer".into()),
            Failure::Internal(why) => {
                error!(why, "order failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error".into())
            }
        };
        (status, format!("{text}\n")).into_response()
    }
}
