//! Whose panic it was: the routine, its values, and what started it.

use routines::{Kind, State, thread};
use routines_inspect::panic;
use routines_inspect::panic::Report;

use crate::support::{REQUEST_ID, TENANT, boom, boom_below_an_ended_parent, run, stderr_of, told};

#[test]
fn it_follows_the_usual_message_with_name_values_and_line() {
    let stderr = stderr_of("chain::it_follows_the_usual_message_with_name_values_and_line", || {
        panic::install();
        let work = || {
            TENANT.set(4);
            boom();
        };
        REQUEST_ID
            .sync_scope("req-7".into(), || thread::Builder::new().name("prices").spawn(work).unwrap().join().unwrap());
    });
    assert!(stderr.find("boom").unwrap() < stderr.find("panicked; what it is").unwrap(), "{stderr}");
    let told = told(&stderr);
    let [child, parent] = &*told else { panic!("{stderr}") };
    assert_eq!((child.kind, child.state, child.name.as_deref()), (Kind::Thread, State::Running, Some("prices")));
    assert!(child.spawned_at.as_ref().unwrap().contains("chain.rs:"));
    assert!(stderr.contains(r#"[running] {request_id: "req-7", tenant: 4}:"#), "{stderr}");
    assert_eq!(child.parent, Some(parent.id));
}

#[test]
fn a_task_is_told_with_all_above_it_and_their_values() {
    let stderr = stderr_of("chain::a_task_is_told_with_all_above_it_and_their_values", || {
        panic::install();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(REQUEST_ID.scope("req-7".into(), async {
            let outer = routines_tokio::spawn(TENANT.scope(1, async {
                let inner = routines_tokio::spawn(TENANT.scope(2, async { panic!("boom") }));
                assert!(inner.await.unwrap_err().is_panic());
            }));
            outer.await.unwrap();
        }));
    });
    let told = told(&stderr);
    assert_eq!(told.iter().map(|info| info.kind).collect::<Vec<_>>(), [Kind::Task, Kind::Task, Kind::Thread]);
    for (info, values) in
        told.iter().zip([r#"{request_id: "req-7", tenant: 2}"#, r#"{request_id: "req-7", tenant: 1}"#])
    {
        assert!(info.to_string().contains(values), "{info}");
    }
}

#[test]
fn a_parent_that_has_ended_is_its_id() {
    let stderr = stderr_of("chain::a_parent_that_has_ended_is_its_id", || {
        panic::install();
        boom_below_an_ended_parent();
    });
    let told = told(&stderr);
    assert_eq!(told.len(), 1, "{stderr}");
    assert!(stderr.ends_with(&format!("\nroutine {} [done]\n", told[0].parent.unwrap())), "{stderr}");
}

#[test]
fn no_more_generations_are_told_than_asked_for() {
    let stderr = stderr_of("chain::no_more_generations_are_told_than_asked_for", || {
        Report::builder().generations(2).install();
        thread::spawn(|| thread::spawn(|| thread::spawn(boom).join()).join()).join().unwrap().unwrap().unwrap();
    });
    assert_eq!(stderr.matches("[running]").count(), 2, "{stderr}");
    assert_eq!(stderr.matches("and what started routine ").count(), 1, "{stderr}");
}

#[test]
fn a_task_without_a_context_is_told_by_its_runtimes_number() {
    let stderr = stderr_of("chain::a_task_without_a_context_is_told_by_its_runtimes_number", || {
        panic::install();
        routines_tokio::install();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bare = runtime.block_on(REQUEST_ID.scope("req-7".into(), async { tokio::spawn(async { boom() }).await }));
        bare.unwrap();
    });
    assert!(stderr.contains("\nroutine foreign-") && !stderr.contains("req-7"), "{stderr}");
    assert!(stderr.contains("nothing is known of it"), "{stderr}");
}

#[test]
fn a_parent_without_a_context_is_told_as_such() {
    let stderr = stderr_of("chain::a_parent_without_a_context_is_told_as_such", || {
        panic::install();
        routines_tokio::install();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bare = async { routines_tokio::spawn(async { boom() }).await };
        runtime.block_on(async { tokio::spawn(bare).await }).unwrap().unwrap();
    });
    let (_, parent) = stderr.rsplit_once("\nroutine foreign-").unwrap_or_else(|| panic!("{stderr}"));
    assert!(parent.ends_with(": a task without a context of its own\n"), "{stderr}");
}

#[test]
fn a_panic_that_ends_the_process_is_told_too() {
    let output = run("chain::a_panic_that_ends_the_process_is_told_too", || {
        struct Twice;
        impl Drop for Twice {
            fn drop(&mut self) {
                panic!("second");
            }
        }
        panic::install();
        let _twice = Twice;
        panic!("first");
    });
    let stderr = String::from_utf8(output.stderr).unwrap();
    // The standard library may add a third, of its own.
    let (_, second) = stderr.split_once("second").unwrap();
    assert!(stderr.contains("first") && second.contains("panicked; what it is"), "{stderr}");
}

#[test]
fn panics_in_many_threads_are_all_told_while_others_start_and_dump() {
    let stderr = stderr_of("chain::panics_in_many_threads_are_all_told_while_others_start_and_dump", || {
        Report::builder().patience(std::time::Duration::from_secs(60)).install();
        std::thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || TENANT.sync_scope(number, || (0..10).for_each(|_| boom())));
                scope.spawn(|| (0..200).for_each(|_| drop((routines::all(), thread::spawn(|| ()).join()))));
            }
        });
    });
    for number in 0..4 {
        assert_eq!(stderr.matches(&format!("{{tenant: {number}}}")).count(), 10, "{stderr}");
    }
}
