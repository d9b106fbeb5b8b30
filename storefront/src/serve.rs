//! Owns `--serve`: the service alone, for curl, with its log as text on standard output.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::service::{self, HEADER, Shop};
use crate::{inspect, logs};

/// Listens on `address`, or tells why not.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Box<dyn Error>> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "address already in use; choose another port".to_owned(),
            _ => error.to_string(),
        };
        format!("cannot listen on {address}: {hint}").into()
    })
}

/// Returns when the process is asked to end, by Ctrl-C or, on Unix, a termination signal.
///
/// Where no handler can be had these end the process themselves, which is what is wanted.
pub(crate) async fn interrupted() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    tokio::select! {
        () = ctrl_c => {}
        () = terminated() => {}
    }
}

#[cfg(unix)]
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};

    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => drop(terminate.recv().await),
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn terminated() {
    std::future::pending().await
}

/// Serves on `address` until Ctrl-C, and the live page on `page` if it is asked for.
pub(crate) fn serve(address: SocketAddr, page: Option<SocketAddr>) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = listen(address).await?;
        let address = listener.local_addr()?;
        println!("try:  curl {address}/orders -H '{HEADER}: hello' -H 'content-type: application/json' \\");
        println!("           -d '{{\"sku\": 3, \"quantity\": 2}}'");
        println!("      (add \"trouble\": \"slow-bank\", or \"no-stock\" or \"slow-supplier\" and Ctrl-C in curl)");
        println!("and:  curl {address}/routines");
        if let Some(page) = page {
            inspect::open(page).await?;
        }
        println!("stop: Ctrl-C\n");
        logs::to_stdout();
        let directory = tempfile::Builder::new().prefix("storefront-").tempdir()?;
        service::serve(listener, Shop::open(directory.path())?, interrupted()).await?;
        Ok(())
    })
}
