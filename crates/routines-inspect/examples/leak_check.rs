//! A test that leaks a task, and what the leak check says of it: `cargo run -p routines-inspect --example leak_check`.

use routines_inspect::leak::LeakCheck;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let check = LeakCheck::new().allow_name("metrics").patience(std::time::Duration::from_millis(50));
        // What the code under test does.
        let _metrics = routines_tokio::task::Builder::new().name("metrics").spawn(std::future::pending::<()>());
        let forgotten = routines_tokio::spawn(std::future::pending::<()>());
        // What the test says at its end.
        let leaks = check.try_verify_async().await.expect_err("a task was forgotten");
        println!("{leaks}");
        assert_eq!(leaks.routines().len(), 1);
        forgotten.abort();
        check.verify_async().await;
    });
}
