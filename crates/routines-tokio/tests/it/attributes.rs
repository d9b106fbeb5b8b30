//! `#[routines_tokio::main]` and `#[routines_tokio::test]`.

use routines::Local;
use routines_tokio::{Flow, Relation};

static USER: Local<&str> = Local::new();

/// What a plain task reads under a scope, in either build.
fn plain() -> Option<&'static str> {
    Flow::is_supported().then_some("ada")
}

async fn spawned() -> Option<&'static str> {
    USER.scope("ada", async { tokio::spawn(async { USER.get() }).await.unwrap() }).await
}

#[routines_tokio::test]
async fn plain_spawns_inherit_where_hooks_can_be_had() {
    assert_eq!(spawned().await, plain());
}

#[routines_tokio::test(flavor = "multi_thread", worker_threads = 1 + 1)]
async fn the_options_are_tokios() {
    let handle = tokio::runtime::Handle::current();
    assert_eq!(handle.metrics().num_workers(), 2);
    assert_eq!(spawned().await, plain());
}

#[routines_tokio::test(start_paused = true)]
async fn time_can_be_paused() {
    let begin = tokio::time::Instant::now();
    tokio::time::sleep(std::time::Duration::from_secs(3_600)).await;
    assert!(begin.elapsed().as_secs() >= 3_600);
}

#[routines_tokio::test(flow = Flow::new().decide(|_| Some(Relation::Detached)))]
async fn a_flow_of_ones_own_decides() {
    assert_eq!(spawned().await, None);
}

#[routines_tokio::test]
async fn a_test_may_return_a_result() -> Result<(), std::num::ParseIntError> {
    let number: u32 = "7".parse()?;
    assert_eq!(number, 7);
    Ok(())
}

#[routines_tokio::test]
#[should_panic(expected = "on purpose")]
async fn a_test_may_be_expected_to_panic() {
    panic!("on purpose");
}

#[test]
fn main_makes_a_function_that_blocks() {
    #[routines_tokio::main(flavor = "current_thread")]
    async fn program(user: &'static str) -> Option<&'static str> {
        USER.set(user);
        routines_tokio::spawn(async { USER.get() }).await.unwrap()
    }
    assert_eq!(USER.sync_scope("host", || program("ada")), Some("ada"));
}
