//! What a cancellation is called in gRPC.

use routines_cancel::Cause;
use routines_tonic::{cause, status};
use tonic::{Code, Status};

#[test]
fn a_deadline_and_everything_else_have_a_code_each() {
    let table = [
        (Cause::DeadlineExceeded, Code::DeadlineExceeded),
        (Cause::Cancelled, Code::Cancelled),
        (Cause::Disconnected, Code::Cancelled),
        (Cause::Dropped, Code::Cancelled),
        (Cause::from("sold out"), Code::Cancelled),
    ];
    for (cause, code) in table {
        let status = status(&cause);
        assert_eq!((status.code(), status.message()), (code, cause.to_string().as_str()));
    }
}

#[test]
fn in_this_process_the_cause_comes_back_as_it_was() {
    for ours in [Cause::Disconnected, Cause::Dropped, Cause::from("sold out")] {
        assert_eq!(cause(&status(&ours)).unwrap().to_string(), ours.to_string());
    }
}

#[test]
fn of_another_process_its_code_tells() {
    let there = |code| cause(&Status::new(code, "whatever was said"));
    assert!(matches!(there(Code::DeadlineExceeded), Some(Cause::DeadlineExceeded)));
    assert!(matches!(there(Code::Cancelled), Some(Cause::Cancelled)));
    assert!(matches!(cause(&Status::cancelled("Timeout expired")), Some(Cause::DeadlineExceeded)));
    for code in (0..=16).map(Code::from).filter(|code| !matches!(code, Code::DeadlineExceeded | Code::Cancelled)) {
        assert!(there(code).is_none(), "{code:?}");
    }
}
