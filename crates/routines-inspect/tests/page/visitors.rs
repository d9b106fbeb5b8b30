//! Who is let in.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use routines_inspect::guard::Loopback;
use routines_inspect::{Options, router};
use tower::ServiceExt;

const PATHS: [&str; 7] = ["", "/json", "/text?debug=2", "/tree", "/app.js", "/style.css", "/icon.svg"];

fn request(path: &str, peer: Option<&str>, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(format!("/debug/routines{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).expect("a request");
    if let Some(peer) = peer {
        let peer: SocketAddr = peer.parse().expect("an address");
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    request
}

async fn answer(router: Router, request: Request<Body>) -> (StatusCode, String) {
    let response = router.oneshot(request).await.expect("infallible");
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn status(peer: Option<&str>, headers: &[(&str, &str)]) -> (StatusCode, String) {
    answer(router(Options::default()), request("", peer, headers)).await
}

#[tokio::test]
async fn a_peer_on_this_machine_is_let_in_under_each_of_its_names() {
    for peer in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        for host in ["localhost", "LOCALHOST:6060", "127.0.0.1:6060", "[::1]:6060", "[::1]"] {
            assert_eq!(status(Some(peer), &[("host", host)]).await.0, StatusCode::OK, "{peer} {host}");
        }
    }
}

#[tokio::test]
async fn a_peer_from_elsewhere_is_refused_on_every_path() {
    for peer in ["192.0.2.1:1", "10.0.0.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1", "0.0.0.0:1"] {
        for path in PATHS {
            let (status, text) =
                answer(router(Options::default()), request(path, Some(peer), &[("host", "localhost")])).await;
            assert_eq!(
                (status, text.contains("allow_any_peer")),
                (StatusCode::FORBIDDEN, true),
                "{peer} {path} {text}"
            );
        }
    }
}

#[tokio::test]
async fn where_nobody_tells_the_peer_nobody_is_let_in() {
    let (status, text) = status(None, &[("host", "localhost")]).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("into_make_service_with_connect_info"), "says the remedy: {text}");
}

#[tokio::test]
async fn another_name_for_this_machine_is_refused() {
    let names = [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:6060",
        "192.0.2.1",
        "user@localhost.x",
        "",
    ];
    for host in names {
        assert_eq!(status(Some("127.0.0.1:1"), &[("host", host)]).await.0, StatusCode::FORBIDDEN, "{host:?}");
    }
    assert_eq!(status(Some("127.0.0.1:1"), &[]).await.0, StatusCode::FORBIDDEN, "no name at all");
    let two = [("host", "localhost"), ("host", "evil.example")];
    assert_eq!(status(Some("127.0.0.1:1"), &two).await.0, StatusCode::FORBIDDEN, "one of two");
}

#[tokio::test]
async fn a_name_in_the_uri_counts_too() {
    let asked = |uri: &str| {
        let mut request = request("", Some("127.0.0.1:1"), &[]);
        *request.uri_mut() = uri.parse().expect("a URI");
        request
    };
    let own = answer(router(Options::default()), asked("http://localhost:6060/debug/routines")).await;
    let other = answer(router(Options::default()), asked("http://evil.example/debug/routines")).await;
    assert_eq!((own.0, other.0), (StatusCode::OK, StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn what_a_proxy_forwards_is_not_from_this_machine() {
    for (name, value) in [
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-real-ip", "192.0.2.1"),
        ("via", "1.1 proxy"),
    ] {
        let (status, _) = status(Some("127.0.0.1:1"), &[("host", "localhost"), (name, value)]).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{name}");
    }
}

#[tokio::test]
async fn another_sites_page_is_refused_and_the_own_one_is_not() {
    for (site, wanted) in
        [("cross-site", StatusCode::FORBIDDEN), ("same-origin", StatusCode::OK), ("none", StatusCode::OK)]
    {
        let (status, _) = status(Some("127.0.0.1:1"), &[("host", "localhost"), ("sec-fetch-site", site)]).await;
        assert_eq!(status, wanted, "{site}");
    }
}

#[tokio::test]
async fn any_peer_is_let_in_when_told_so() {
    let open = || router(Options::default().allow_any_peer());
    for peer in [Some("192.0.2.1:1"), None] {
        for path in PATHS {
            let (status, _) = answer(open(), request(path, peer, &[("host", "shop.example")])).await;
            assert_eq!(status, StatusCode::OK, "{path}");
        }
    }
}

#[tokio::test]
async fn the_guard_protects_other_routes_as_well() {
    let own = || Router::new().route("/debug/routines", get(async || "secret")).route_layer(Loopback);
    let near = answer(own(), request("", Some("127.0.0.1:1"), &[("host", "localhost")])).await;
    assert_eq!(near, (StatusCode::OK, "secret".into()));
    assert_eq!(
        answer(own(), request("", Some("192.0.2.1:1"), &[("host", "localhost")])).await.0,
        StatusCode::FORBIDDEN
    );
}
