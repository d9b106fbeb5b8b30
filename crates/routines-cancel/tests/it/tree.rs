//! Owns the promises of the tree: who is told, in what order, when.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use routines_cancel::{Cause, Token};

use crate::support::{FAR, Log};

/// A tree by its nodes' parents; each of the first may have a deadline, in seconds.
fn trees() -> impl Strategy<Value = Vec<(prop::sample::Index, Option<u64>)>> {
    prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(1_u64..100)), 1..40)
}

/// The tokens and their parents' places, the root first.
fn grow(tree: &[(prop::sample::Index, Option<u64>)], now: Instant) -> (Vec<Token>, Vec<usize>) {
    let (mut tokens, mut parents) = (vec![Token::new()], vec![0]);
    for (parent, deadline) in tree {
        let parent = parent.index(tokens.len());
        tokens.push(match deadline {
            Some(after) => tokens[parent].child_with_deadline(now + FAR + Duration::from_secs(*after)),
            None => tokens[parent].child(),
        });
        parents.push(parent);
    }
    (tokens, parents)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_earliest_deadline_wins(tree in trees()) {
        let now = Instant::now();
        let (tokens, parents) = grow(&tree, now);
        let mut earliest: Vec<Option<u64>> = vec![None];
        for (at, (_, own)) in tree.iter().enumerate() {
            let above = earliest[parents[at + 1]];
            earliest.push(own.iter().chain(&above).min().copied());
        }
        for (token, earliest) in tokens.iter().zip(earliest) {
            prop_assert_eq!(token.deadline(), earliest.map(|after| now + FAR + Duration::from_secs(after)));
        }
    }

    #[test]
    fn all_below_are_told_and_nobody_else(tree in trees(), which: prop::sample::Index) {
        let (tokens, parents) = grow(&tree, Instant::now());
        let which = which.index(tokens.len());
        prop_assert!(tokens[which].cancel_with("why"));
        let mut below = vec![false; tokens.len()];
        for at in 0..tokens.len() {
            below[at] = at == which || at > 0 && below[parents[at]];
        }
        for (token, below) in tokens.iter().zip(below) {
            let told = token.cause().map(|cause| cause.to_string());
            prop_assert_eq!(told.as_deref(), below.then_some("why"));
        }
    }

    #[test]
    fn parents_are_told_before_children(tree in trees()) {
        let (tokens, parents) = grow(&tree, Instant::now());
        let log = Log::default();
        for (at, token) in tokens.iter().enumerate() {
            let log = log.clone();
            token.after_cancel(move |_| log.add(at)).detach();
        }
        tokens[0].cancel();
        let told = log.entries();
        prop_assert_eq!(told.len(), tokens.len());
        let when = |at: usize| told.iter().position(|told| *told == at);
        for (at, parent) in parents.into_iter().enumerate().skip(1) {
            prop_assert!(when(parent) < when(at));
        }
    }

    /// Whatever of the middle was let go, and in whatever order.
    #[test]
    fn what_is_let_go_cuts_nothing_off(tree in trees(), kept in prop::collection::vec(any::<bool>(), 40), seed: u64) {
        let (tokens, _) = grow(&tree, Instant::now());
        let deadlines: Vec<_> = tokens.iter().map(Token::deadline).collect();
        let mut tokens: Vec<_> = tokens.into_iter().map(Some).collect();
        let root = tokens[0].clone().expect("the root");
        let mut order: Vec<_> = (1..tokens.len()).collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        for at in order {
            if !kept[at - 1] {
                tokens[at] = None;
            }
        }
        root.cancel_with("from the top");
        for (token, deadline) in tokens.iter().zip(deadlines) {
            if let Some(token) = token {
                prop_assert_eq!(token.cause().map(|cause| cause.to_string()), Some("from the top".to_owned()));
                prop_assert_eq!(token.deadline(), deadline);
            }
        }
    }
}

#[test]
fn born_after_the_cancellation_it_is_cancelled_for_the_same_cause() {
    let parent = Token::new();
    parent.cancel_with(Cause::Disconnected);
    for child in [parent.child(), parent.child_with_timeout(FAR), parent.child().child()] {
        assert!(matches!(child.cause(), Some(Cause::Disconnected)));
        assert!(!child.cancel_with("again"), "the first counts");
        assert!(matches!(child.cause(), Some(Cause::Disconnected)));
    }
}

#[test]
fn only_the_first_to_cancel_is_told_that_it_did() {
    let token = Token::new();
    let child = token.child();
    assert!(child.cancel_with("first"));
    assert!(!child.cancel());
    assert!(token.cancel_with("second"));
    assert_eq!(child.cause().expect("cancelled").to_string(), "first");
}

#[test]
fn a_middle_that_was_let_go_still_calls_its_callbacks() {
    let root = Token::new();
    let log = Log::default();
    let leaf = {
        let middle = root.child();
        let note = log.clone();
        middle.after_cancel(move |_| note.add("middle")).detach();
        middle.child()
    };
    let note = log.clone();
    let _kept = leaf.after_cancel(move |_| note.add("leaf"));
    root.cancel();
    assert_eq!(log.entries(), ["middle", "leaf"]);
}

#[test]
fn a_middle_that_was_let_go_still_has_its_deadline() {
    let leaf = Token::new().child_with_timeout(Duration::from_millis(1)).child();
    assert!(leaf.wait().is_deadline());
}

#[test]
fn a_middle_kept_by_a_callback_alone_still_has_its_children() {
    let root = Token::new();
    let middle = root.child();
    let leaf = middle.child();
    let stop = middle.after_cancel(|_| {});
    drop(middle);
    assert!(stop.stop());
    root.cancel();
    assert!(leaf.is_cancelled());
}

#[test]
fn with_a_deadline_that_is_over_it_is_born_cancelled() {
    let now = Instant::now();
    let parent = Token::new();
    for late in [
        parent.child_with_deadline(now),
        parent.child_with_timeout(Duration::ZERO),
        routines_cancel::with_deadline(now),
    ] {
        assert_eq!(late.remaining(), Some(Duration::ZERO));
        assert!(late.cause().expect("cancelled").is_deadline());
    }
    assert!(!parent.is_cancelled());
}

#[test]
fn a_deadline_beyond_all_time_is_none() {
    assert_eq!(Token::new().child_with_timeout(Duration::MAX).deadline(), None);
    assert_eq!(routines_cancel::with_timeout(Duration::MAX).deadline(), None);
}

mod causes {
    use super::*;

    #[test]
    fn each_way_to_end_has_its_own() {
        let token = Token::new();
        token.cancel();
        assert!(matches!(token.cause(), Some(Cause::Cancelled)));
        let token = Token::new();
        drop(token.guard());
        assert!(matches!(token.cause(), Some(Cause::Dropped)));
        let token = Token::new().child_with_timeout(Duration::ZERO);
        assert!(matches!(token.wait(), Cause::DeadlineExceeded));
    }

    #[test]
    fn the_tokens_own_stands_for_each_of_them() {
        let token = Token::new().with_cause("own");
        token.cancel();
        assert_eq!(token.cause().expect("cancelled").to_string(), "own");
        let token = Token::new().with_cause("own");
        drop(token.guard());
        assert_eq!(token.cause().expect("cancelled").to_string(), "own");
        let token = Token::new().child_with_timeout(Duration::from_millis(200)).with_cause("own");
        assert_eq!(token.wait().to_string(), "own");
    }

    #[test]
    fn the_first_of_the_tokens_own_counts() {
        let token = Token::new().with_cause("first").with_cause("second");
        token.cancel();
        assert_eq!(token.cause().expect("cancelled").to_string(), "first");
    }

    #[test]
    fn one_that_is_said_goes_before_the_tokens_own() {
        let token = Token::new().with_cause("own");
        token.cancel_with("said");
        assert_eq!(token.cause().expect("cancelled").to_string(), "said");
        let token = Token::new().with_cause("own");
        drop(token.guard().with_cause("said"));
        assert_eq!(token.cause().expect("cancelled").to_string(), "said");
    }

    #[test]
    fn a_childs_own_is_not_told_for_its_parents_end() {
        let parent = Token::new();
        let child = parent.child().with_cause("own");
        parent.cancel();
        assert!(matches!(child.cause(), Some(Cause::Cancelled)));
    }

    #[test]
    fn an_error_stays_the_very_error() {
        let token = Token::new();
        token.cancel_with(Cause::other(std::io::Error::from(std::io::ErrorKind::BrokenPipe)));
        let Err(Cause::Other(error)) = token.check() else { panic!("told otherwise") };
        let error: &std::io::Error = error.downcast_ref().expect("the error");
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn as_an_io_error_it_is_no_invitation_to_try_again() {
        let kind = |cause: Cause| std::io::Error::from(cause).kind();
        assert_eq!(kind(Cause::DeadlineExceeded), std::io::ErrorKind::TimedOut);
        assert_eq!(kind(Cause::Cancelled), std::io::ErrorKind::Other);
        assert_eq!(kind(Cause::from("why")), std::io::ErrorKind::Other);
    }
}

mod guards {
    use super::*;

    #[test]
    fn disarmed_it_cancels_nothing() {
        let token = Token::new();
        let same = token.guard().disarm();
        assert!(!token.is_cancelled());
        same.cancel();
        assert!(token.is_cancelled());
    }

    #[test]
    fn a_panic_cancels_what_was_started() {
        let token = Token::new();
        let guard = token.guard();
        token.after_cancel(|_| crate::support::fall()).detach();
        let panicked = std::thread::spawn(move || {
            let _guard = guard;
            crate::support::fall();
        });
        assert!(panicked.join().is_err());
        assert!(matches!(token.cause(), Some(Cause::Dropped)));
    }

    #[test]
    fn a_dropped_future_cancels_what_it_started() {
        let token = Token::new();
        let work = token.scope(async {
            let _guard = Token::current().expect("a token").guard();
            std::future::pending::<()>().await;
        });
        assert!(smol::block_on(smol::future::poll_once(work)).is_none());
        assert!(matches!(token.cause(), Some(Cause::Dropped)));
    }
}
