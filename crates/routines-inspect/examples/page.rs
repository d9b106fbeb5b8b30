//! A program that shows what its routines do, at an address it prints.
//!
//! ```sh
//! cargo run -p routines-inspect --example page
//! ```
//!
//! With `--once` it looks at itself and ends.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use routines::{Bindings, Local};
use routines_inspect::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

static REQUEST_ID: Local<String> = Local::new().named("request_id");
static TENANT: Local<&str> = Local::new().named("tenant");

type AnyError = Box<dyn Error + Send + Sync>;

/// Serves one made-up request after another, each with a task that asks a made-up database.
async fn customer(tenant: &'static str) {
    for number in 0.. {
        let request = async move {
            let query = routines_tokio::spawn(tokio::time::sleep(Duration::from_millis(1500)));
            tokio::time::sleep(Duration::from_millis(500)).await;
            query.await.expect("it does not panic");
        };
        let known = Bindings::new().with(&REQUEST_ID, format!("{tenant}-{number}")).with(&TENANT, tenant);
        routines_tokio::spawn(known.scope(request)).await.expect("it does not panic");
    }
}

async fn fetch(address: SocketAddr, path: &str) -> Result<String, AnyError> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    for tenant in ["acme", "globex", "initech"] {
        routines_tokio::spawn(customer(tenant));
    }
    let once = std::env::args().any(|argument| argument == "--once");
    let listener = TcpListener::bind(if once { "127.0.0.1:0" } else { "127.0.0.1:6060" }).await?;
    let address = listener.local_addr()?;
    println!("http://{address}/debug/routines");
    let page = routines_tokio::spawn(routines_inspect::serve(listener, Options::default()));
    if !once {
        return Ok(page.await??);
    }
    let html = fetch(address, "/debug/routines").await?;
    assert!(html.starts_with("HTTP/1.1 200 OK") && html.contains("id=\"routines\""));
    // It has been started; that it got as far as its first request is only a matter of time.
    loop {
        let json = fetch(address, "/debug/routines/json?q=tenant%3Dglobex").await?;
        if json.contains("\"request_id\":\"globex-") {
            println!("found {} characters about one tenant's request", json.len());
            return Ok(());
        }
    }
}
