//! Plain `tokio::spawn`, on a runtime with hooks.

use opentelemetry::Context;
use routines_tokio::Flow;
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tracing::{Span, info_span, subscriber};

#[derive(Debug, Clone, Copy, PartialEq)]
struct Tenant(u32);

fn seen() -> (Option<&'static str>, Option<Tenant>) {
    (Span::current().metadata().map(|metadata| metadata.name()), Context::current().get().copied())
}

#[test]
fn plain_spawns_carry_companions() {
    routines_companions::install();
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        Flow::new().install(&mut builder);
        let runtime = builder.build().unwrap();
        let (task, grandchild) = subscriber::with_default(tracing_subscriber::registry(), || {
            let _inside = runtime.enter();
            let _guard = Context::current_with_value(Tenant(4)).attach();
            info_span!("request").in_scope(|| {
                let task = tokio::spawn(async {
                    yield_now().await;
                    seen()
                });
                let grandchild = tokio::spawn(async { tokio::spawn(async { seen() }).await.unwrap() });
                (task, grandchild)
            })
        });
        let expected = (Some("request"), Some(Tenant(4)));
        assert_eq!(runtime.block_on(task).unwrap(), expected);
        assert_eq!(runtime.block_on(grandchild).unwrap(), expected);
        assert_eq!(seen(), (None, None));
    }
}

#[test]
fn plain_spawns_that_are_detached_carry_none() {
    routines_companions::install();
    let mut builder = Builder::new_multi_thread();
    Flow::new().detach("routines-companions/tests/it/hooked.rs").install(&mut builder);
    let runtime = builder.build().unwrap();
    let _guard = Context::current_with_value(Tenant(4)).attach();
    let task = runtime.spawn(async { seen() });
    assert_eq!(runtime.block_on(task).unwrap(), (None, None));
}
