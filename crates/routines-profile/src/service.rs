//! Owns `/debug/pprof` as an HTTP service to mount, in the form that `go tool pprof` asks for.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
pub use routines_inspect::Options;
use routines_inspect::page;
use tokio::sync::{Semaphore, oneshot};

use crate::heap;
use crate::profile::symbols::Symbols;
use crate::profile::{Profile, ProfileBuilder, routine_profile_of};
use crate::sampler::ProfileError;

/// The routes of profiles, to be merged into a service.
///
/// Ask them by `go tool pprof http://127.0.0.1:8080/debug/pprof/profile?seconds=5`.
///
/// | path | |
/// |---|---|
/// | `/debug/pprof/` | what there is |
/// | `/debug/pprof/profile?seconds=30` | CPU time by [`ProfileBuilder`]; `seconds` from 1 to 300, `hz`, `keys=a,b` |
/// | `/debug/pprof/routine` | [`routine_profile`](crate::routine_profile); `keys=a,b`; `debug=1` and `2` as text |
/// | `/debug/pprof/heap` | [`heap::profile`] |
/// | `/debug/pprof/cmdline`, `/debug/pprof/symbol` | what older tools ask for |
///
/// With `format=frames` labels are frames, with `folded` and `svg` the answer is folded stacks or a flame graph.
///
/// Only peers on this machine are let in ([`Loopback`](routines_inspect::guard::Loopback)), unless told otherwise. Whatever is asked for is made on a thread of
/// its own, one at a time; a CPU profile while another one runs is refused with status 409. One whose reader has gone is
/// made to its end.
///
/// ```no_run
/// # async fn serve() -> std::io::Result<()> {
/// use std::net::SocketAddr;
///
/// let app = axum::Router::new().merge(routines_profile::router(routines_profile::Options::default()));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
/// # }
/// ```
pub fn router(options: Options) -> Router {
    let router = Router::new()
        .route("/debug/pprof", get(async || Redirect::temporary("/debug/pprof/")))
        .route("/debug/pprof/", get(async || Html(INDEX)))
        .route("/debug/pprof/profile", get(cpu))
        .route("/debug/pprof/routine", get(routine))
        .route("/debug/pprof/heap", get(heap))
        .route("/debug/pprof/cmdline", get(cmdline))
        .route("/debug/pprof/symbol", get(async || "num_symbols: 1\n").post(symbol))
        .with_state(Turn(Arc::new(Semaphore::new(1))));
    options.guard(router).route_layer(map_response(harden))
}

const INDEX: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=color-scheme content='light dark'>\
    <title>/debug/pprof</title><h1>/debug/pprof</h1><ul>\
    <li><a href='profile?seconds=10'>profile</a>: CPU time by label for 10 s \
    (<a href='profile?seconds=10&amp;format=svg'>flame graph</a>, <a href='profile?seconds=10&amp;format=folded'>folded</a>)\
    <li><a href=routine>routine</a>: live routines by where they were started \
    (<a href='routine?format=svg'>flame graph</a>, <a href='routine?debug=1'>text</a>)\
    <li><a href=heap>heap</a>: live bytes by label\
    <li><a href=cmdline>cmdline</a>: the command line</ul>\
    <p>Read them with <code>go tool pprof -tags http://…/debug/pprof/profile?seconds=10</code>. \
    Stacks are whole if the program was built with <code>-C force-frame-pointers=yes</code>.\n";

type Params = Query<HashMap<String, String>>;

async fn cpu(Query(params): Params) -> Result<Response, Refusal> {
    let seconds = number(&params, "seconds", 1..=300)?.unwrap_or(30);
    let format = Format::of(&params)?;
    let builder = match number(&params, "hz", 1..=1000)? {
        Some(hertz) => ProfileBuilder::new().frequency(hertz),
        None => ProfileBuilder::new(),
    };
    let builder = builder.keys(keys(&params));
    let profile = move || Ok(format.write(&builder.run(Duration::from_secs(seconds.into()))?, "profile"));
    apart(profile).await
}

async fn routine(turn: State<Turn>, Query(params): Params) -> Result<Response, Refusal> {
    let format = Format::of(&params)?;
    let shown = ProfileBuilder::new().keys(keys(&params)).shown;
    let debug = number(&params, "debug", 0..=2)?;
    turn.take(move || {
        Ok(match debug {
            Some(1) => page::grouped().into_response(),
            Some(2) => page::each().into_response(),
            _ => format.write(&routine_profile_of(&shown), "routine"),
        })
    })
    .await
}

async fn heap(turn: State<Turn>) -> Result<Response, Refusal> {
    turn.take(|| {
        let profile = heap::profile().map_err(|error| Refusal(StatusCode::NOT_IMPLEMENTED, error.to_string()))?;
        Ok(file("heap", profile.to_pprof()))
    })
    .await
}

async fn cmdline() -> Vec<u8> {
    let args: Vec<_> = std::env::args_os().map(OsString::into_encoded_bytes).collect();
    args.join(&0)
}

/// Addresses as `0x1+0x2`, answered by a line with address and name for each that has one.
async fn symbol(turn: State<Turn>, addresses: String) -> Result<Response, Refusal> {
    turn.take(move || {
        let mut symbols = Symbols::read();
        let hex = |text: &str| usize::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
        let mut line = |address| {
            let frame = symbols.frame(address);
            let call = frame.calls.first()?;
            Some(format!("{address:#x}\t{}\n", call.function))
        };
        Ok(addresses.split('+').filter_map(hex).filter_map(&mut line).collect::<String>().into_response())
    })
    .await
}

/// What is made by walking all routines or all blocks is made for one reader after the other.
#[derive(Clone)]
struct Turn(Arc<Semaphore>);

impl Turn {
    async fn take(
        &self,
        make: impl FnOnce() -> Result<Response, Refusal> + Send + 'static,
    ) -> Result<Response, Refusal> {
        let turn = self.0.clone().acquire_owned().await;
        apart(move || {
            let _turn = turn;
            make()
        })
        .await
    }
}

/// Runs `make` on a thread of its own: one of the runtime's would keep the runtime from shutting down meanwhile.
async fn apart(make: impl FnOnce() -> Result<Response, Refusal> + Send + 'static) -> Result<Response, Refusal> {
    let failed = |why: String| Refusal(StatusCode::INTERNAL_SERVER_ERROR, why);
    let (done, made) = oneshot::channel();
    let run = move || drop(done.send(make()));
    thread::Builder::new()
        .name("pprof".to_owned())
        .spawn(run)
        .map_err(|error| failed(format!("no thread: {error}")))?;
    made.await.unwrap_or_else(|_| Err(failed("making the profile failed".to_owned())))
}

/// Why there is no profile, as the reader is told.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

impl From<ProfileError> for Refusal {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Busy => Self(StatusCode::CONFLICT, format!("{error}; ask again when that one is done")),
            ProfileError::Frequency(_) => Self(StatusCode::BAD_REQUEST, error.to_string()),
            ProfileError::Unsupported => Self(StatusCode::NOT_IMPLEMENTED, error.to_string()),
            ProfileError::SignalTaken => Self(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            ProfileError::System { .. } => Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }
}

fn number(
    params: &HashMap<String, String>,
    name: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Option<u32>, Refusal> {
    let Some(text) = params.get(name) else { return Ok(None) };
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(bad(format!("{name} must be a number from {} to {}", range.start(), range.end()))),
    }
}

fn keys(params: &HashMap<String, String>) -> Vec<String> {
    let keys = params.get("keys").map_or("", String::as_str);
    keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

fn bad(why: String) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, why)
}

#[derive(Clone, Copy)]
enum Format {
    Pprof,
    Frames,
    Folded,
    Svg,
}

impl Format {
    fn of(params: &HashMap<String, String>) -> Result<Self, Refusal> {
        match params.get("format").map_or("pprof", String::as_str) {
            "pprof" => Ok(Self::Pprof),
            "frames" => Ok(Self::Frames),
            "folded" => Ok(Self::Folded),
            "svg" => Ok(Self::Svg),
            _ => Err(bad("format must be pprof, frames, folded or svg".to_owned())),
        }
    }

    fn write(self, profile: &Profile, name: &str) -> Response {
        match self {
            Self::Pprof => file(name, profile.to_pprof()),
            Self::Frames => file(name, profile.to_pprof_labels_as_frames()),
            Self::Folded => profile.to_folded().into_response(),
            Self::Svg => flames(profile.to_svg()),
        }
    }
}

fn file(name: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}.pb.gz\"");
    let kind = (header::CONTENT_TYPE, "application/octet-stream".to_owned());
    ([kind, (header::CONTENT_DISPOSITION, disposition)], bytes).into_response()
}

/// The graph's own script may zoom and search; it has no origin, so that nothing else is in its reach.
fn flames(svg: String) -> Response {
    let policy = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'";
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CONTENT_SECURITY_POLICY, policy)], svg).into_response()
}

/// Nothing may be loaded, framed, guessed at or kept.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    headers
        .extend(fixed.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect::<HeaderMap>());
    response
}
