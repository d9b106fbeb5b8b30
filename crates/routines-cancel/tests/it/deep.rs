//! Owns the promise of size: a million nodes deep or wide, on a small stack.

use std::thread;

use routines_cancel::Token;

use crate::support::Log;

const STACK: usize = 64 * 1024;
const MANY: usize = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

/// On a stack that no recursion over the nodes would leave standing.
fn on_a_small_stack<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::Builder::new().stack_size(STACK).spawn(f).expect("a thread");
    thread.join().expect("no panic")
}

fn chain() -> Vec<Token> {
    let root = Token::new();
    std::iter::successors(Some(root), |above| Some(above.child())).take(MANY).collect()
}

fn is_told(token: &Token) -> bool {
    token.cause().is_some_and(|cause| cause.to_string() == "why")
}

#[test]
fn a_deep_tree_is_cancelled_and_dropped() {
    let chain = chain();
    on_a_small_stack(move || {
        chain[0].cancel_with("why");
        assert!(chain.iter().all(is_told));
        drop(chain);
    });
}

#[test]
fn a_deep_tree_is_dropped_from_its_root() {
    let mut chain = chain();
    on_a_small_stack(move || {
        let leaf = chain.pop().expect("the leaf");
        drop(chain);
        assert!(!leaf.is_cancelled());
    });
}

#[test]
fn a_deep_tree_is_dropped_from_its_leaf() {
    let mut chain = chain();
    on_a_small_stack(move || while chain.pop().is_some() {});
}

/// Callbacks that stay keep each of them; the deepest handle keeps them all.
#[test]
fn a_deep_tree_of_which_only_the_deepest_is_kept_is_cancelled_and_dropped() {
    for cancel in [true, false] {
        let root = Token::new();
        let log = Log::default();
        let mut deepest = root.child();
        for _ in 1..MANY {
            deepest.after_cancel(|_| {}).detach();
            deepest = deepest.child();
        }
        let note = log.clone();
        deepest.after_cancel(move |_| note.add("deepest")).detach();
        on_a_small_stack(move || {
            if cancel {
                root.cancel();
            }
            drop(deepest);
        });
        assert_eq!(log.entries().len(), usize::from(cancel));
    }
}

#[test]
fn tokens_that_hold_each_other_in_their_callbacks_are_dropped() {
    let mut token = Token::new();
    for _ in 1..MANY {
        let held = token;
        token = Token::new();
        token.after_cancel(move |_| _ = &held).detach();
    }
    on_a_small_stack(move || drop(token));
}

#[test]
fn a_wide_tree_is_cancelled_and_dropped() {
    for cancel in [true, false] {
        let root = Token::new();
        let children: Vec<_> = (0..MANY).map(|_| root.child()).collect();
        on_a_small_stack(move || {
            if cancel {
                root.cancel_with("why");
            }
            assert!(children.iter().all(|child| is_told(child) == cancel));
            drop(root);
            drop(children);
        });
    }
}
