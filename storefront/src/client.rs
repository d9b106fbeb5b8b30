//! Owns the client: what customers ask for, under which request id, and what comes of it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Client, Response};

use crate::service::{HEADER, Receipt, Shop, TENANT, Trouble, Wish};

/// So long may anything take before the run counts it as failed; far beyond what a busy machine needs.
const DEADLINE: Duration = Duration::from_secs(30);

/// The mix of customers repeats after so many.
pub(crate) const MIX: u64 = 20;

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer at once.
    Ok,
    /// An answer, after the service had to try again.
    Retried,
    /// The customer closed the connection before there was an answer.
    Disconnected,
    /// Anything else.
    Failed(String),
}

/// The id that goes with an order: chosen here, and looked up here by whoever checks the lines.
///
/// Most are nasty: all that HTTP lets through, and what breaks a careless log.
pub(crate) fn request_id(order: u64) -> String {
    match order % 8 {
        0 => format!("req-{order}"),
        1 => format!("req-\"{order}\""),
        2 => format!("req\t{order}\\"),
        3 => format!("req-{order}\",\"order\":1,\"request_id\":\"forged"),
        4 => format!("req-%0d%0a{order}"),
        5 => format!("заявка {order} \u{1f56f}"),
        6 => format!("req\u{2028}\u{85}\u{202e}{order}"),
        _ => format!("{{req}} '{order}' \\u0022 \x20;--"),
    }
}

/// Who orders: a few tenants have most of the orders, as it is in life.
fn tenant(order: u64) -> &'static str {
    match order % 8 {
        0..4 => "acme",
        4..6 => "bolt",
        6 => "crag",
        _ => "dune",
    }
}

/// What goes wrong with an order.
fn trouble(order: u64) -> Trouble {
    match order % MIX {
        3 | 14 => Trouble::SlowBank,
        9 => Trouble::NoStock,
        _ => Trouble::None,
    }
}

/// All customers: they share a pool of connections.
pub(crate) struct Customers {
    client: Client,
    url: String,
    /// The service's state, to see when an order is half way through: a customer leaves then, and not sooner or later.
    shop: Arc<Shop>,
}

impl Customers {
    /// Customers of the service at `url`.
    pub(crate) fn new(url: String, shop: Arc<Shop>) -> Self {
        let client = Client::builder().no_proxy().build().expect("a client without TLS or a proxy needs nothing");
        Customers { client, url, shop }
    }

    /// Places one order.
    pub(crate) async fn buy(&self, order: u64, half_way: impl FnOnce()) -> Outcome {
        match tokio::time::timeout(DEADLINE, self.try_buy(order, half_way)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Failed(format!("order {order}: {}", whole(&*error))),
            Err(_) => Outcome::Failed(format!("order {order}: no answer within {DEADLINE:?}")),
        }
    }

    async fn try_buy(&self, order: u64, half_way: impl FnOnce()) -> Result<Outcome, Box<dyn Error>> {
        let trouble = trouble(order);
        let sku = u32::try_from(order % 8)? + 1;
        let quantity = u32::try_from(order % 7)? + 1;
        let body = serde_json::to_vec(&Wish { order: Some(order), sku, quantity, trouble })?;
        let id = HeaderValue::from_bytes(request_id(order).as_bytes())?;
        let request =
            self.client.post(format!("{}/orders", self.url)).header(HEADER, &id).header(TENANT, tenant(order));
        let answer = request.header("content-type", "application/json").body(body).send();
        if trouble == Trouble::NoStock {
            let waiting = async {
                self.shop.backorders.until_waiting(order).await;
                // In here the connection is still open, so the order is in the service.
                half_way();
            };
            // `answer`, a request under way, is dropped by `select!`, which closes its connection.
            return tokio::select! {
                answer = answer => Err(format!("an answer where there is none: {:?}", answer?.status()).into()),
                () = waiting => Ok(Outcome::Disconnected),
            };
        }
        read(order, &id, trouble, answer.await?).await
    }
}

/// An error with what caused it, which is where an HTTP client's errors say what happened.
fn whole(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", whole(cause)),
        None => error.to_string(),
    }
}

/// Checks an answer: its status, the id it brings back, and what it says.
async fn read(order: u64, id: &HeaderValue, trouble: Trouble, answer: Response) -> Result<Outcome, Box<dyn Error>> {
    let answer = answer.error_for_status()?;
    if answer.headers().get(HEADER) != Some(id) {
        return Err("the answer has another request id".into());
    }
    let receipt: Receipt = serde_json::from_slice(&answer.bytes().await?)?;
    match (receipt, trouble) {
        (receipt, _) if receipt.order != order => Err(format!("the receipt is for {}", receipt.order).into()),
        (Receipt { attempts: 1, .. }, Trouble::None) => Ok(Outcome::Ok),
        (Receipt { attempts: 2, .. }, Trouble::SlowBank) => Ok(Outcome::Retried),
        (receipt, trouble) => Err(format!("{receipt:?} although {trouble:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_a_legal_header_and_names_its_order_alone() {
        for order in 0..16 {
            let id = request_id(order);
            assert!(HeaderValue::from_bytes(id.as_bytes()).is_ok(), "{id:?}");
            assert_ne!(id, request_id(order + 8));
        }
    }

    #[test]
    fn the_mix_has_every_kind_and_repeats() {
        let kinds = |from: u64| (from..from + MIX).map(trouble).collect::<Vec<_>>();
        for kind in [Trouble::None, Trouble::SlowBank, Trouble::NoStock] {
            assert!(kinds(0).contains(&kind));
        }
        assert_eq!(kinds(0), kinds(1_000_000));
    }
}
