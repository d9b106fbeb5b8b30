//! Which routines a filter finds.

use routines::{Bindings, Kind, Local, RoutineBuilder};

use crate::support::{TEST, ask, names, some, waiting};

static TENANT: Local<&'static str> = Local::new().named("tenant");
static ATTEMPT: Local<u32> = Local::new().named("attempt");

fn found(words: &str) -> Vec<String> {
    names(&[("q", words)])
}

#[test]
fn a_pair_finds_the_named_value_that_reads_so() {
    let bound = |tenant, attempt| Bindings::new().with(&TEST, "pairs").with(&TENANT, tenant).with(&ATTEMPT, attempt);
    let _acme = bound("acme", 1).sync_scope(|| waiting("a"));
    let _acme_labs = bound("acme labs", 12).sync_scope(|| waiting("b"));
    assert_eq!(found("test=pairs tenant=acme"), ["a"], "not what only begins so");
    assert_eq!(found("test=pairs tenant=ACME"), ["a"], "in upper or lower case");
    assert_eq!(found("test=pairs \"tenant=acme labs\""), ["b"]);
    assert_eq!(found("test=pairs tenant=\"acme labs\""), ["b"]);
    assert_eq!(found("test=pairs attempt=12"), ["b"], "a number by its digits");
    assert_eq!(found("test=pairs attempt="), ["a", "b"], "whatever it is");
    assert_eq!(found("test=pairs colour="), [""; 0]);
}

#[test]
fn a_pair_finds_by_what_every_routine_has() {
    let _rows = TEST.sync_scope("facts", || {
        let task = waiting("task");
        let job = RoutineBuilder::new(Kind::Job).name("job").job(|| ());
        (task, job)
    });
    assert_eq!(found("test=facts kind=job"), ["job"]);
    assert_eq!(found("test=facts name=task"), ["task"]);
    assert_eq!(found("test=facts state=idle"), ["task", "job"]);
    let row = &ask(&[("q", "test=facts name=task")])["routines"][0];
    let (id, at) = (row["id_text"].as_str().expect("an id"), row["spawned_at"].as_str().expect("a place"));
    assert_eq!(found(&format!("id={id}")), ["task"]);
    assert_eq!(found(&format!("test=facts spawned_at={at}")), ["task"]);
    assert_eq!(found(&format!("test=facts parent={}", routines::id())), ["task", "job"]);
}

#[test]
fn a_word_is_looked_for_in_name_place_and_values() {
    let _rows = TEST.sync_scope("words", || [TENANT.sync_scope("Initech", || waiting("import")), waiting("export")]);
    assert_eq!(found("test=words IMP"), ["import"], "name");
    assert_eq!(found("test=words nite"), ["import"], "value");
    assert_eq!(found("test=words filter.rs"), ["import", "export"], "place");
    assert_eq!(found("test=words port export"), ["export"], "all words must match");
    assert_eq!(found("test=words nowhere-to-be-found"), [""; 0]);
}

#[test]
fn a_number_finds_the_routine_with_that_id_and_not_those_that_contain_it() {
    let _rows = some("ids", 1);
    let id = ask(&[("q", "test=ids")])["routines"][0]["id_text"].as_str().expect("an id").to_owned();
    assert_eq!(found(&format!("test=ids {id}")), ["0"]);
    assert_eq!(found(&format!("test=ids {id}000000")), [""; 0]);
    assert_eq!(found(&format!("test=ids 000000{id}")), ["0"], "the same number");
    assert_eq!(found(&format!("test=ids id=0{id}")), [""; 0], "not the same text");
}

#[test]
fn parent_leaves_direct_children_only() {
    let (_all, id) = TEST.sync_scope("children", || {
        let (child, id) = crate::tree::parent_of(2);
        ((child, waiting("stranger")), id)
    });
    assert_eq!(names(&[("q", "test=children"), ("parent", &id.to_string())]), ["child", "child"]);
}
