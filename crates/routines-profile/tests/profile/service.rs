//! Owns the promises of `/debug/pprof`: what is asked for and how it is refused.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use routines_profile::sampler::ProfileError;
use routines_profile::{Options, ProfileBuilder, router};
use tower::ServiceExt;

use crate::decode::decode;
use crate::support::SAMPLING;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// Asks from this machine.
async fn get(path: &str) -> Answer {
    let request = Request::get(path).header("host", "127.0.0.1:8080").body(Body::empty()).unwrap();
    ask(Options::default(), "127.0.0.1:5", request).await
}

async fn ask(options: Options, peer: &str, mut request: Request<Body>) -> Answer {
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let (head, body) = router(options).oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: head.status, headers: head.headers, body }
}

#[tokio::test]
async fn a_cpu_profile_is_one_that_pprof_reads() {
    let _one = SAMPLING.lock().await;
    let answer = get("/debug/pprof/profile?seconds=1").await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/octet-stream");
    let profile = decode(&answer.body);
    assert_eq!(profile.types[1].0, "cpu");
    assert!(profile.duration_nanos >= 1_000_000_000);
}

#[tokio::test]
async fn a_second_cpu_profile_meanwhile_is_refused_with_what_to_do() {
    let _one = SAMPLING.lock().await;
    let (one, other) = tokio::join!(get("/debug/pprof/profile?seconds=1"), get("/debug/pprof/profile?seconds=1"));
    let refused = if one.status == StatusCode::OK { other } else { one };
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text().contains("ask again"), "{}", refused.text());
}

#[tokio::test]
async fn bad_parameters_are_refused_in_words() {
    for query in
        ["profile?seconds=0", "profile?seconds=301", "profile?seconds=soon", "profile?seconds=-1", "profile?seconds="]
    {
        let answer = get(&format!("/debug/pprof/{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.text(), "seconds must be a number from 1 to 300\n");
    }
    assert_eq!(get("/debug/pprof/profile?hz=0").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(get("/debug/pprof/profile?format=exe").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(get("/debug/pprof/routine?debug=7").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn live_routines_come_in_every_format() {
    let profile = decode(&get("/debug/pprof/routine").await.body);
    assert!(profile.samples.iter().any(|sample| sample.labels["kind"] == "thread"));
    let frames = decode(&get("/debug/pprof/routine?format=frames&keys=kind").await.body);
    assert!(frames.samples.iter().any(|sample| sample.functions().last() == Some(&"kind=thread")));
    assert!(get("/debug/pprof/routine?format=folded&keys=kind").await.text().contains("kind=thread;"));
    assert!(get("/debug/pprof/routine?debug=1").await.text().contains('@'));
    let svg = get("/debug/pprof/routine?format=svg").await;
    assert_eq!(svg.headers["content-type"], "image/svg+xml");
    assert!(
        svg.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("sandbox allow-scripts; default-src 'none'")
    );
}

#[tokio::test]
async fn a_program_without_the_heap_profiler_says_so() {
    let answer = get("/debug/pprof/heap").await;
    assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED);
    assert!(answer.text().contains("global_allocator"), "{}", answer.text());
}

#[tokio::test]
async fn the_command_line_is_told() {
    let answer = get("/debug/pprof/cmdline").await;
    assert_eq!(answer.body.split(|&byte| byte == 0).count(), std::env::args().count());
}

#[tokio::test]
async fn addresses_are_named() {
    let here = get as fn(&'static str) -> _ as usize;
    let request = Request::post("/debug/pprof/symbol").header("host", "localhost");
    let request = request.body(Body::from(format!("{here:#x}+0x10+nonsense"))).unwrap();
    let answer = ask(Options::default(), "127.0.0.1:5", request).await;
    assert_eq!(answer.text(), format!("{here:#x}\tprofile::service::get\n"));
}

#[tokio::test]
async fn only_this_machine_is_let_in_unless_told_otherwise() {
    let paths = ["", "profile", "routine", "heap", "cmdline", "symbol"].map(|path| format!("/debug/pprof/{path}"));
    for path in &paths {
        let request = || Request::get(path).header("host", "127.0.0.1").body(Body::empty()).unwrap();
        let answer = ask(Options::default(), "192.0.2.1:5", request()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        let renamed = Request::get(path).header("host", "rebound.example").body(Body::empty()).unwrap();
        assert_eq!(ask(Options::default(), "127.0.0.1:5", renamed).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let request = Request::get("/debug/pprof/cmdline").header("host", "service.example").body(Body::empty()).unwrap();
    assert_eq!(ask(Options::default().allow_any_peer(), "192.0.2.1:5", request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_answer_is_hardened() {
    for path in ["", "profile?seconds=0", "routine", "routine?format=svg", "cmdline"] {
        let headers = get(&format!("/debug/pprof/{path}")).await.headers;
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert!(headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"), "{path}");
    }
}

#[test]
fn a_profile_under_way_does_not_keep_a_runtime_from_ending() {
    let _one = SAMPLING.blocking_lock();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut asked = tokio::spawn(get("/debug/pprof/profile?seconds=2"));
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
            if is_sampling() && !asked.is_finished() {
                return;
            }
            if asked.is_finished() {
                // The look came between.
                asked = tokio::spawn(get("/debug/pprof/profile?seconds=2"));
            }
        }
        panic!("no profile was begun");
    });
    drop(runtime);
    assert!(is_sampling(), "the runtime ended first");
    while is_sampling() {
        std::thread::yield_now();
    }
}

fn is_sampling() -> bool {
    matches!(ProfileBuilder::new().run(Duration::ZERO), Err(ProfileError::Busy))
}
