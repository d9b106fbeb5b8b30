//! A crowd to look at: 100 000 idle routines in crews of a thousand, and one found among them by its number.
//!
//! `cargo run --release -p routines-inspect --example crowd`, or with `-- --serve` for a page to open in a browser, until its
//! standard input ends; `-- 5000` for another number of them.

use std::future::{Future, pending};
use std::io::{Read, stdin};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Instant;

use routines::{Kind, Local, RoutineBuilder};
use routines_inspect::Options;
use routines_inspect::page::{self, Query};

static CREW: Local<usize> = Local::new().named("crew");
static NUMBER: Local<usize> = Local::new().named("number");
const CREW_SIZE: usize = 1_000;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polled once, it starts its members and waits, as they do.
fn crew(members: std::ops::Range<usize>) -> Work {
    let crew = members.start / CREW_SIZE;
    CREW.sync_scope(crew, || {
        let routine = RoutineBuilder::new(Kind::Task).name(format!("crew {crew}"));
        Box::pin(routine.future(async move {
            let mut members: Vec<_> = members.map(member).collect();
            members.iter_mut().for_each(poll);
            pending().await
        }))
    })
}

fn member(number: usize) -> impl Future<Output = ()> + Send + Unpin {
    NUMBER.sync_scope(number, || RoutineBuilder::new(Kind::Task).future(pending()))
}

fn poll(work: &mut (impl Future<Output = ()> + Unpin)) {
    let waiting = Pin::new(work).poll(&mut Context::from_waker(Waker::noop())).is_pending();
    assert!(waiting, "nobody in the crowd ever ends");
}

/// One page of those that `words` match, and how many there are of them.
fn find(words: &str) -> (u64, u64) {
    let begin = Instant::now();
    let query = Query::parse(&format!("q={}", words.replace('=', "%3D"))).expect("words make a query");
    let answer: serde_json::Value = serde_json::from_slice(&page::json(&query)).expect("the page's data is JSON");
    let figure = |name: &str| answer[name].as_u64().expect("a number");
    println!("{words:>14}: {} of {} in {:.1?}", figure("matching"), figure("total"), begin.elapsed());
    (figure("matching"), figure("total"))
}

fn serve(address: SocketAddr) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(address))?;
    println!("page: http://{}/debug/routines", listener.local_addr()?);
    runtime.spawn(routines_inspect::serve(listener, Options::default()));
    stdin().read_to_end(&mut Vec::new()).map(drop)
}

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(100 * CREW_SIZE);
    let mut crowd: Vec<Work> =
        (0..size).step_by(CREW_SIZE).map(|first| crew(first..size.min(first + CREW_SIZE))).collect();
    crowd.iter_mut().for_each(poll);
    if arguments.iter().any(|argument| argument == "--serve") {
        return serve(([127, 0, 0, 1], 0).into());
    }
    let total = (size + crowd.len() + 1) as u64;
    assert_eq!(find(&format!("number={}", size - 1)), (1, total));
    assert_eq!(find("crew=0"), (CREW_SIZE.min(size) as u64 + 1, total));
    assert_eq!(find("nobody"), (0, total));
    Ok(())
}
