//! What may outlive a test, by name and by place.

use routines::thread;

use crate::support::{check, only, until_told};

#[test]
fn a_name_that_is_allowed_is_left_out_and_no_other() {
    let check = check().allow_name("pool");
    let (end, wait) = until_told();
    let pool = thread::Builder::new().name("pool").spawn(wait).unwrap();
    assert!(check.try_verify().is_ok());
    let (end_other, wait) = until_told();
    let other = thread::Builder::new().name("pool-2").spawn(wait).unwrap();
    assert_eq!(only(check.try_verify()).name.as_deref(), Some("pool-2"));
    drop((end, end_other));
    pool.join().unwrap();
    other.join().unwrap();
}

#[test]
fn a_place_that_is_allowed_is_left_out_and_no_other() {
    let (end, wait) = until_told();
    let line = line!() + 2;
    let strict = check().allow_location(format!("allow.rs:{}", line + 1));
    let child = thread::spawn(wait);
    only(strict.try_verify());
    drop(strict);
    drop(end);
    child.join().unwrap();

    let (end, wait) = until_told();
    let check = check().allow_location("leaks/allow.rs");
    let child = thread::spawn(wait);
    check.verify();
    drop(end);
    child.join().unwrap();
}
