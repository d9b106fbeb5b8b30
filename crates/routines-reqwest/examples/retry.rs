//! Retries that know how much time is left: each attempt tells the server, and none is made for nobody.
//!
//! ```sh
//! cargo run -p routines-reqwest --example retry
//! ```

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use http::{HeaderMap, StatusCode};
use reqwest_middleware::ClientBuilder;
use reqwest_retry::policies::ExponentialBackoff;
use reqwest_retry::{Jitter, RetryTransientMiddleware};
use routines_cancel::{Cause, with_timeout};
use routines_http::Propagation;
use routines_reqwest::{PropagationMiddleware, cause};
use tokio::net::TcpListener;

type Attempts = Arc<Mutex<Vec<u64>>>;

/// Serves on the loopback. Notes the milliseconds each attempt brings; the third one succeeds.
async fn serve(attempts: Attempts) -> std::io::Result<String> {
    let answer = async move |headers: HeaderMap| {
        let left = headers["x-request-timeout-ms"].to_str().map(str::parse);
        let mut attempts = attempts.lock().expect("nobody panics");
        attempts.push(left.expect("text").expect("a number"));
        if attempts.len() == 3 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(answer)).await });
    Ok(url)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let attempts = Attempts::default();
    let url = serve(attempts.clone()).await?;

    let pause = Duration::from_millis(20);
    let policy =
        ExponentialBackoff::builder().retry_bounds(pause, pause).jitter(Jitter::None).build_with_max_retries(5);
    let client = ClientBuilder::new(reqwest::Client::new())
        .with(RetryTransientMiddleware::new_with_policy(policy))
        // After the one that retries: it sees each attempt.
        .with(PropagationMiddleware::new(&Propagation::new()))
        .build();

    // As in a request that came with ten seconds. The code that calls knows nothing of it.
    let response = with_timeout(Duration::from_secs(10)).scope(async { client.get(&url).send().await }).await?;
    assert_eq!(response.status(), StatusCode::OK);
    let left = std::mem::take(&mut *attempts.lock().expect("nobody panics"));
    println!("attempts said how many milliseconds are left: {left:?}");
    assert!(left.len() == 3 && left[0] <= 10_000 && left.is_sorted_by(|earlier, later| earlier > later));

    // With less time than five retries take, it ends when that is over.
    let refused = with_timeout(pause / 2).scope(async { client.get(&url).send().await }).await;
    let refused = refused.expect_err("there is no time for a second attempt");
    println!("with ten milliseconds: {refused}");
    assert!(matches!(cause(&refused), Some(Cause::DeadlineExceeded)));
    assert!(attempts.lock().expect("nobody panics").len() <= 1);
    Ok(())
}
