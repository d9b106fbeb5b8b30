//! Owns `--inspect`: the live page and profiles on a port of their own, and the load there is to look at, until Ctrl-C.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use tokio::task::JoinSet;

use crate::client::Customers;
use crate::serve;
use crate::service::{self, Shop};

/// So long a customer rests between two orders: a load that leaves the machine room for a browser.
const REST: Duration = Duration::from_millis(50);
/// The load numbers its orders from here, so that those placed by hand have the numbers below to themselves.
const FIRST: u64 = 1_000_000_000;

/// Serves the page on `page`, and a shop that `customers` order from without end.
pub(crate) fn run(page: SocketAddr, customers: u64) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = serve::listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let directory = tempfile::Builder::new().prefix("storefront-").tempdir()?;
        let shop = Shop::open(directory.path())?;
        open(page).await?;
        println!("shop: {url}, with {customers} customers");
        println!("stop: Ctrl-C");
        let _load = load(Arc::new(Customers::new(url, Arc::clone(&shop))), customers);
        tokio::select! {
            done = service::serve_accounted(listener, shop) => Ok(done?),
            () = serve::interrupted() => Ok(()),
        }
    })
}

/// Serves the page and profiles on `address` beside whatever else this runtime does, and prints where they are.
pub(crate) async fn open(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    routines_profile::install()?;
    let listener = serve::listen(address).await?;
    let url = format!("http://{}/debug", listener.local_addr()?);
    println!("page: {url}/routines");
    println!("cpu:  go tool pprof -tags {url}/pprof/profile?seconds=5");
    let pages = pages().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, pages).await });
    Ok(())
}

pub(crate) fn pages() -> Router {
    let profiles = routines_profile::router(routines_profile::Options::default());
    routines_inspect::router(routines_inspect::Options::default()).merge(profiles)
}

/// The load ends when what is returned is dropped.
fn load(customers: Arc<Customers>, at_once: u64) -> JoinSet<()> {
    let next = Arc::new(AtomicU64::new(FIRST));
    (0..at_once).map(|_| buy(Arc::clone(&customers), Arc::clone(&next))).collect()
}

async fn buy(customers: Arc<Customers>, next: Arc<AtomicU64>) {
    loop {
        // Relaxed: the number itself is all that is shared. What goes wrong shows on the page as work that does not end.
        customers.buy(next.fetch_add(1, Ordering::Relaxed), || ()).await;
        tokio::time::sleep(REST).await;
    }
}
