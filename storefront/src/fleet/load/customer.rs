//! Owns a client of the load: one request after the other, each of its own random kind, many left before they are answered.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{sleep, timeout};

use super::tally::Tally;
use crate::fleet::check::receipt_fault;
use crate::fleet::wire::{Upload, Wire, nothing, read, request};

/// An answer that takes longer is a fault.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all clients share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) front: SocketAddr,
    pub(super) next: Arc<AtomicU64>,
    pub(super) tally: Arc<Tally>,
}

/// A client.
pub(super) struct Customer {
    shared: Shared,
    random: StdRng,
    wire: Option<Wire>,
}

/// What one request is like.
struct Wish {
    path: String,
    timeout: Option<Duration>,
    /// Parts of the body that is sent: their lengths, and the pauses before them.
    upload: Vec<(usize, Duration)>,
    pages: usize,
    /// When the client leaves.
    leaves: Option<Duration>,
}

impl Customer {
    pub(super) fn new(shared: Shared, seed: u64) -> Self {
        Customer { shared, random: StdRng::seed_from_u64(seed), wire: None }
    }

    /// One request after the other until that moment.
    pub(super) async fn run(mut self, end: Instant) -> Self {
        while Instant::now() < end {
            // Relaxed: the number is all that is shared.
            let order = self.shared.next.fetch_add(1, Ordering::Relaxed);
            self.one(order).await;
        }
        self
    }

    async fn one(&mut self, order: u64) {
        let wish = self.wish(order);
        let wire = self.wire.take();
        let patience = wish.leaves.unwrap_or(PATIENCE);
        // What is dropped when it takes too long has the socket, and closes it.
        let answer = timeout(patience, ask(self.shared.front, wire, order, &wish)).await;
        let tally = &self.shared.tally;
        match answer {
            Err(_) if wish.leaves.is_some() => Tally::count(&tally.left),
            Err(_) => tally.fault(format!("order {order}: no answer within {PATIENCE:?}")),
            // Who is still sending when the time is up may find the connection closed.
            Ok(Err(_)) if wish.timeout.is_some() && !wish.upload.is_empty() => Tally::count(&tally.late),
            Ok(Err(error)) => tally.fault(format!("order {order}: {error}")),
            Ok(Ok((wire, status, text))) => match fault(order, &wish, status, &text) {
                Some(fault) => tally.fault(format!("order {order}: {fault}")),
                None if status == 200 => {
                    self.wire = Some(wire);
                    Tally::count(&tally.answered);
                }
                None => Tally::count(&tally.late),
            },
        }
    }

    fn wish(&mut self, order: u64) -> Wish {
        let random = &mut self.random;
        let route = ["orders", "orders", "pages", "writes"][random.random_range(0..4)];
        let pages = if route == "pages" { random.random_range(0..20) } else { 0 };
        let hold = random.random_range(0..30);
        let job = if random.random_bool(0.2) { format!("&job={}", random.random_range(0..20)) } else { String::new() };
        let timeout = match random.random_range(0..10) {
            0..3 => None,
            3..6 => Some(Duration::from_millis(random.random_range(1..60))),
            _ => Some(Duration::from_secs(10)),
        };
        let parts = if random.random_bool(0.3) { random.random_range(1..8) } else { 0 };
        let part = |_| (random.random_range(0..4096), Duration::from_millis(random.random_range(0..4)));
        let upload = (0..parts).map(part).collect();
        let leaves = random.random_bool(0.3).then(|| Duration::from_micros(random.random_range(0..60_000)));
        let path = format!("/{route}/{order}?hold={hold}&pages={pages}{job}");
        Wish { path, timeout, upload, pages, leaves }
    }
}

async fn ask(
    front: SocketAddr,
    wire: Option<Wire>,
    order: u64,
    wish: &Wish,
) -> Result<(Wire, u16, String), Box<dyn Error + Send + Sync>> {
    let mut wire = Wire::or_connect(wire, front).await?;
    let (status, text) =
        read(wire.send(request(&wish.path, order, wish.timeout, upload(wish.upload.clone()))).await?).await?;
    Ok((wire, status, String::from_utf8_lossy(&text).into_owned()))
}

/// A body that is sent in parts.
fn upload(parts: Vec<(usize, Duration)>) -> Upload {
    if parts.is_empty() {
        return nothing();
    }
    let parts = unfold(parts.into_iter(), async |mut parts| {
        let (length, pause) = parts.next()?;
        sleep(pause).await;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; length]))), parts))
    });
    StreamBody::new(parts).boxed_unsync()
}

/// An answer that is not what it must be.
fn fault(order: u64, wish: &Wish, status: u16, text: &str) -> Option<String> {
    match status {
        200 if text.lines().count() != wish.pages + 1 => Some(format!("{} lines: {text:?}", text.lines().count())),
        200 => text.lines().find_map(|line| receipt_fault(order, line)),
        504 if wish.timeout.is_some() => None,
        _ => Some(format!("answered {status} {text:?}")),
    }
}
