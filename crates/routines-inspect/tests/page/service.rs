//! The page as a service.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use routines::{Carried, Local};
use routines_inspect::{Options, page, router, serve};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use crate::support::{TEST, named, some, waiting};

fn open() -> Router {
    router(Options::default().allow_any_peer())
}

async fn get(router: Router, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let response = router.oneshot(request).await.expect("infallible");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

#[tokio::test]
async fn every_part_of_the_page_is_served_with_its_type() {
    let parts = [
        ("/debug/routines", "text/html; charset=utf-8", page::html()),
        ("/debug/routines/app.js", "text/javascript; charset=utf-8", page::script()),
        ("/debug/routines/style.css", "text/css; charset=utf-8", page::style()),
        ("/debug/routines/icon.svg", "image/svg+xml", page::icon()),
    ];
    for (path, kind, wanted) in parts {
        let (status, headers, body) = get(open(), path).await;
        assert_eq!((status, headers["content-type"].to_str().expect("text"), &*body), (StatusCode::OK, kind, wanted));
    }
    for reference in ["routines/app.js", "routines/style.css", "routines/icon.svg"] {
        assert!(page::html().contains(&format!("\"{reference}\"")), "the page refers to {reference}");
    }
}

#[tokio::test]
async fn every_answer_forbids_other_sources_and_copies() {
    for path in ["", "/json", "/json?sort=colour", "/text?debug=1", "/tree", "/app.js"] {
        let (_, headers, _) = get(open(), &format!("/debug/routines{path}")).await;
        let policy = headers["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "), "{policy}");
        for part in ["connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
        assert_eq!(
            (&headers["x-content-type-options"], &headers["cache-control"]),
            (&"nosniff".parse().unwrap(), &"no-store".parse().unwrap())
        );
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
    // A refusal as well.
    let refused = get(router(Options::default()), "/debug/routines").await;
    assert_eq!(refused.0, StatusCode::FORBIDDEN);
    assert_eq!(refused.1["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn json_text_and_tree_show_what_lives() {
    let _rows = some("served", 3);
    let (status, headers, body) = get(open(), "/debug/routines/json?q=test%3Dserved").await;
    assert_eq!((status, &headers["content-type"]), (StatusCode::OK, &"application/json".parse().unwrap()));
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(named(&answer), ["0", "1", "2"]);
    for (path, wanted) in [
        ("text", "#\t\"test\": \"served\" 3"),
        ("text?debug=1", "#\t\"test\": \"served\" 3"),
        ("text?debug=2", "[idle] {test: \"served\"}:\n\ttask \"2\""),
        ("tree", "{test: \"served\"} task \"2\""),
    ] {
        let (status, headers, body) = get(open(), &format!("/debug/routines/{path}")).await;
        assert_eq!((status, &headers["content-type"]), (StatusCode::OK, &"text/plain; charset=utf-8".parse().unwrap()));
        let body = timeless(&body);
        assert!(body.contains(wanted), "{path}: {body}");
    }
}

/// Without the times in `[idle, 3ms]`, which are known from the second look on.
fn timeless(text: &str) -> String {
    let mut parts = text.split("[idle, ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "[idle]" + part.split_once(']').map_or("", |(_, rest)| rest))
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_the_readers_fault() {
    for (path, part) in [("json?sort=colour", "colour"), ("json?per_page=0", "1 to 1000"), ("text?debug=3", "debug=1")]
    {
        let (status, headers, body) = get(open(), &format!("/debug/routines/{path}")).await;
        assert_eq!((status, body.contains(part)), (StatusCode::BAD_REQUEST, true), "{path}: {body}");
        assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    }
}

static COUNTED: Local<Counted> = Local::new().named("counted");
static SHOWN: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        SHOWN.fetch_add(1, Ordering::Relaxed);
        f.write_str("counted")
    }
}

#[tokio::test]
async fn requests_of_one_moment_share_a_collection() {
    let _row: Carried<_> = TEST.sync_scope("shared", || COUNTED.sync_scope(Counted, || waiting("row")));
    let router = open();
    // Other tests collect too, so that one round may count more; without sharing each counts 8.
    for _ in 0..50 {
        let before = SHOWN.load(Ordering::Relaxed);
        let ask = || get(router.clone(), "/debug/routines/json?q=test%3Dshared");
        let answers = tokio::join!(ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask());
        assert!(answers.0.2.contains("counted") && answers.7.2.contains("counted"));
        if SHOWN.load(Ordering::Relaxed) - before < 8 {
            return;
        }
    }
    panic!("eight requests collected eight times, fifty times over");
}

#[tokio::test]
async fn polls_are_timed_while_somebody_looks() {
    let router = open();
    let mut rows = some("watched", 1);
    assert_eq!(get(router.clone(), "/debug/routines/json").await.0, StatusCode::OK);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(&mut rows[0]).poll(&mut cx).is_pending());
    let busy = routines::all().into_iter().find(|info| {
        info.name.as_deref() == Some("0") && info.polls == 1 && {
            info.values.iter().any(|(_, value)| *value == routines::NamedValue::Str("watched".into()))
        }
    });
    assert!(busy.expect("the row").busy.is_some());
}

#[tokio::test]
async fn a_path_with_a_slash_at_its_end_leads_to_the_page() {
    let (status, headers, _) = get(open(), "/debug/routines/").await;
    assert_eq!((status, &headers["location"]), (StatusCode::TEMPORARY_REDIRECT, &"../routines".parse().unwrap()));
}

async fn raw(port: u16, request: String) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    connection.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("it answers");
    answer
}

#[tokio::test]
async fn served_on_a_port_of_its_own_it_knows_its_peers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(serve(listener, Options::default()));
    let ask = |host: &str| {
        raw(port, format!("GET /debug/routines/json HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    assert!(ask(&format!("localhost:{port}")).await.starts_with("HTTP/1.1 200 OK"));
    assert!(ask("evil.example").await.starts_with("HTTP/1.1 403 Forbidden"));
    server.abort();
}

#[tokio::test]
async fn it_is_merged_into_a_service_and_takes_none_of_its_paths() {
    let app = || Router::new().route("/", axum::routing::get(async || "shop")).merge(open());
    assert_eq!(get(app(), "/").await.2, "shop");
    assert_eq!(get(app(), "/nowhere").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(app(), "/debug/routines").await.0, StatusCode::OK);
    let posted = Request::post("/debug/routines/json").body(Body::empty()).expect("a request");
    assert_eq!(app().oneshot(posted).await.expect("infallible").status(), StatusCode::METHOD_NOT_ALLOWED);
}
