//! Owns the promises of deadlines that only a real clock shows.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use routines_cancel::{Cause, Token};

use crate::support::{FAR, in_time, receive};

#[test]
fn nothing_is_cancelled_before_its_deadline() {
    in_time(|| {
        let tokens: Vec<_> =
            (0..500).map(|at| Token::new().child_with_timeout(Duration::from_micros(at * 37))).collect();
        for token in tokens {
            assert!(token.wait().is_deadline());
            assert!(token.deadline().expect("a deadline") <= Instant::now());
        }
    });
}

#[test]
fn a_sooner_deadline_is_not_held_up_by_a_later_one() {
    in_time(|| {
        let _later = Token::new().child_with_timeout(FAR);
        let _much_later = Token::new().child_with_timeout(Duration::from_secs(i64::MAX as u64 / 2));
        assert!(Token::new().child_with_timeout(Duration::from_millis(2)).wait().is_deadline());
    });
}

#[test]
fn a_callback_of_one_deadline_may_set_the_next() {
    in_time(|| {
        fn again(left: u32, tell: std::sync::mpsc::Sender<Cause>) {
            let token = Token::new().child_with_timeout(Duration::from_millis(1));
            let kept = token.clone();
            let next = move |cause: &Cause| match left {
                0 => tell.send(cause.clone()).expect("a test"),
                _ => again(left - 1, tell),
            };
            // Its own token is kept until then by the callback.
            token.after_cancel(move |cause| drop((next(cause), kept))).detach();
        }
        let (tell, told) = channel();
        again(20, tell);
        assert!(receive(&told).is_deadline());
    });
}

#[test]
fn below_a_deadline_everybody_is_told_at_once() {
    in_time(|| {
        let token = Token::new().child_with_timeout(Duration::from_millis(5));
        let children: Vec<_> = (0..100).map(|_| token.child_with_timeout(FAR).child()).collect();
        token.wait();
        for child in children {
            assert_eq!(child.deadline(), token.deadline());
            assert!(child.wait().is_deadline());
        }
    });
}
