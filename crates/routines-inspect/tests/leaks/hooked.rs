//! Tasks that only a hook makes routines are the test's, too.

use routines::Kind;
use routines_tokio::Flow;

use crate::support::{check, only};

#[test]
fn a_plain_tokio_task_is_found_when_flow_makes_it_a_routine() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = Flow::new().install(&mut builder).build().unwrap();
    runtime.block_on(async {
        let check = check();
        let child = tokio::spawn(async { tokio::spawn(std::future::pending::<()>()) });
        let grandchild = child.await.unwrap();
        assert_eq!(only(check.try_verify_async().await).kind, Kind::Task);
        grandchild.abort();
        assert!(grandchild.await.unwrap_err().is_cancelled());
        check.verify_async().await;
    });
}
