//! A client's pool and an HTTP/2 server, kept busy by requests with different ids: what their connections keep.

use std::collections::BTreeSet;
use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::StreamBody;
use hyper::body::{Body, Frame, Incoming};
use hyper::{Request, Response, Version};
use routines::{Local, RoutineInfo, Snapshot};
use routines_hyper::{BodyExt as _, RoutineExecutor};
use tokio::task::JoinSet;

use crate::support::{Lives, Value, id_of, pool, request, runtime, serve};

static REQUEST: Local<Value> = Local::new().named("request");
static PEER: Local<&str> = Local::new().named("peer");

fn seen() -> String {
    format!("{:?};", REQUEST.with(|request| request.id))
}

/// Answers with the id that is seen in the handler, and in the body after the handler has returned.
async fn answer(request: Request<Incoming>, lives: Lives) -> Response<impl Body<Data = Bytes, Error = Infallible>> {
    let id = id_of(&request);
    REQUEST
        .scope(lives.value(id), async {
            tokio::task::yield_now().await;
            let first = seen();
            let rest = (0..3).map(|_| ());
            let parts = stream::iter([first]).chain(stream::iter(rest).then(|()| async {
                tokio::task::yield_now().await;
                seen()
            }));
            Response::new(StreamBody::new(parts.map(|part| Ok(Frame::data(Bytes::from(part))))).inherit())
        })
        .await
}

/// The live tasks of the executor that was made at `line`.
fn tasks_of(line: &str) -> Vec<RoutineInfo> {
    routines::all().into_iter().filter(|routine| routine.spawned_at.as_deref() == Some(line)).collect()
}

/// What the tasks of an executor show, each thing once.
fn shown_by(line: &str) -> BTreeSet<String> {
    let values = tasks_of(line).into_iter().flat_map(|task| task.values);
    values.map(|(name, value)| format!("{name}: {value:?}")).collect()
}

/// What the connections of a pool have of requests, and of anything else.
#[derive(Debug, PartialEq)]
struct Kept {
    /// What its tasks showed at some moment while it was busy.
    busy: BTreeSet<String>,
    /// What they showed when all was quiet.
    quiet: BTreeSet<String>,
    /// Values of requests that were alive when all was quiet: the client's, and the server's.
    alive: (usize, usize),
}

impl Kept {
    fn only(shown: &[&str], alive: usize) -> Kept {
        let shown: BTreeSet<_> = shown.iter().map(|shown| shown.to_string()).collect();
        Kept { busy: shown.clone(), quiet: shown, alive: (alive, 0) }
    }
}

type Make = fn() -> (RoutineExecutor, String);

/// Makes an executor, and tells its line.
macro_rules! executor {
    ($made:expr) => {
        || ($made, format!("{}:{}", file!(), line!()))
    };
}

/// Sends 129 requests with different ids through one pool, and looks at its connections, which `client` drives.
fn keep_busy(version: Version, client: Make, server: Make, alive: usize) -> Kept {
    let runtime = runtime();
    let (served, sent) = (Lives::default(), Lives::default());
    let (client, line) = client();
    let kept = runtime.block_on(async {
        let lives = served.clone();
        let address = serve(server().0, move |request| answer(request, lives.clone())).await;
        let pool = pool(client, version);
        let send = |id: usize| {
            let pool = pool.clone();
            REQUEST.scope(sent.value(id), async move {
                let answer = request(&pool, address, id).await;
                assert_eq!(answer, format!("Some({id});").repeat(4));
            })
        };
        // The one that opens the first connection.
        routines_tokio::spawn(send(1)).await.expect("no panic");
        let mut busy = BTreeSet::new();
        for wave in 1..=8 {
            let mut requests = JoinSet::new();
            (0..16).for_each(|n| drop(requests.spawn(send(wave * 100 + n))));
            while let Some(done) = requests.join_next().await {
                done.expect("no panic");
                busy.extend(shown_by(&line));
            }
        }
        let alive = (sent.settle(alive).await, served.settle(0).await);
        assert!(!tasks_of(&line).is_empty(), "the connections live, and are listed");
        Kept { busy, quiet: shown_by(&line), alive }
    });
    drop(runtime);
    assert!(tasks_of(&line).is_empty(), "nothing is listed after its runtime");
    kept
}

const DETACHED: Make = executor!(RoutineExecutor::detached());
const CURRENT: Make = executor!(RoutineExecutor::current());

#[test]
fn no_connection_keeps_any_requests_context() {
    for version in [Version::HTTP_2, Version::HTTP_11] {
        let client: Make = executor!(RoutineExecutor::detached());
        assert_eq!(keep_busy(version, client, DETACHED, 0), Kept::only(&[], 0), "{version:?}");
    }
}

#[test]
fn an_http2_servers_streams_inherit_nothing_of_a_request_from_their_connection() {
    let client: Make = executor!(RoutineExecutor::detached());
    assert_eq!(keep_busy(Version::HTTP_2, client, CURRENT, 0), Kept::only(&[], 0));
}

#[test]
fn with_current_a_connection_of_a_pool_keeps_the_request_that_opened_it() {
    let client: Make = executor!(RoutineExecutor::current());
    let kept = keep_busy(Version::HTTP_2, client, DETACHED, 1);
    assert_eq!(kept, Kept::only(&["request: Str(\"1\")"], 1));
}

#[test]
fn with_given_a_connection_shows_what_it_was_given_and_no_request() {
    let client: Make = executor!(RoutineExecutor::given(PEER.sync_scope("upstream", Snapshot::capture)));
    assert_eq!(keep_busy(Version::HTTP_2, client, DETACHED, 0), Kept::only(&["peer: Str(\"upstream\")"], 0));
}

#[test]
fn with_chosen_a_connection_keeps_what_was_chosen_and_no_request() {
    let client: Make = executor!(RoutineExecutor::chosen(|| Some(Snapshot::capture().only(&[&PEER]))));
    assert_eq!(keep_busy(Version::HTTP_2, client, DETACHED, 0), Kept::only(&[], 0));
    let kept = PEER.sync_scope("upstream", || keep_busy(Version::HTTP_2, client, DETACHED, 0));
    assert_eq!(kept, Kept::only(&["peer: Str(\"upstream\")"], 0));
}
