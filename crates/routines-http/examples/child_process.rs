//! A child process that works in the context of the request that started it, read from its environment.
//!
//! ```sh
//! cargo run -p routines-http --example child_process
//! ```

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use routines_cancel::{Cause, remaining, with_timeout};
use routines_http::carrier::Env;
use routines_http::{Destination, Propagated, Propagation, REQUEST_ID, RequestId, TRACE, TraceContext};

static TENANT: Propagated<String> = Propagated::baggage("tenant");

/// What parent and child agree on.
fn fleet() -> Propagation {
    Propagation::new().key(&TENANT)
}

/// This program again, as a child with the context of the current routine. What the parent itself inherited is not handed on.
fn child() -> Result<Command, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("child");
    fleet().inject(&mut command, &Destination::child_process())?;
    Ok(command)
}

/// The child's `main`: all of it runs as the request does.
fn in_the_child() {
    // `BAGGAGE`, `TRACEPARENT`, `X_REQUEST_ID` and the rest.
    fleet().extract_message(&Env).sync_scope(|| {
        let id = REQUEST_ID.get().expect("made if none came");
        let trace = TRACE.get().expect("made if none came").trace_id;
        let tenant = TENANT.get().expect("the parent has one");
        let left = remaining().expect("the parent has a deadline");
        assert!(left <= Duration::from_secs(60));
        println!("{id} {trace} {tenant}");
    });
}

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::args().nth(1).as_deref() == Some("child") {
        in_the_child();
        return Ok(());
    }

    // As a server does for each request that comes in.
    let (id, trace) = (RequestId::parse("req-7")?, TraceContext::new_root());
    let in_request = |run: &dyn Fn() -> Result<Command, Box<dyn Error>>, time| {
        let timed = || with_timeout(time).sync_scope(run);
        let traced = || TRACE.sync_scope(trace.clone(), timed);
        REQUEST_ID.sync_scope(id.clone(), || TENANT.sync_scope("São Paulo".into(), traced))
    };

    let output = in_request(&child, Duration::from_secs(60))?.output()?;
    let said = String::from_utf8(output.stdout)?;
    print!("{said}");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim_end(), format!("req-7 {} São Paulo", trace.trace_id));

    // No process is started that nobody would wait for.
    let refused = in_request(&child, Duration::ZERO).expect_err("its time is up");
    assert!(matches!(refused.downcast_ref(), Some(Cause::DeadlineExceeded)));
    Ok(())
}
