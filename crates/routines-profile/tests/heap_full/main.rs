//! What the exact heap profile does when more sets of labels were seen than it tells apart: in a process of its own, as later labels
//! have no account of their own either.

use routines::Local;
use routines_profile::heap::{self, HeapProfiler, MAX_ACCOUNTS, OTHER};

#[global_allocator]
static ALLOCATOR: HeapProfiler = HeapProfiler::exact();

static MANY: Local<String> = Local::new().named("many").labelled();

#[test]
fn sets_of_labels_beyond_the_last_account_count_for_other() {
    routines_profile::install().expect("no other reader of labels");
    let held: Vec<Vec<u8>> =
        (0..2 * MAX_ACCOUNTS).map(|number| MANY.sync_scope(number.to_string(), || vec![1; 1_000])).collect();
    let profile = heap::profile().unwrap();
    let other = profile.of("many", OTHER).bytes;
    assert!(other >= 1_000 * MAX_ACCOUNTS as u64, "{other}");
    let named: u64 = (0..2 * MAX_ACCOUNTS).map(|number| profile.of("many", &number.to_string()).bytes).sum();
    assert!(named + other >= 2_000 * MAX_ACCOUNTS as u64);
    drop(held);
    assert!(heap::profile().unwrap().of("many", OTHER).bytes < 1_000);
}
