//! Owns the promises that only several threads can break: bounded rounds, no sleeps.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use routines_cancel::{Token, check};

use crate::support::{FAR, in_time};

/// A round in this many, where one takes seconds.
const SCALE: u64 = if cfg!(miri) { 100 } else { 1 };

/// Runs all at once, as far as threads can.
fn together<const N: usize>(work: [Box<dyn FnOnce() + Send>; N]) {
    let start = Arc::new(Barrier::new(N));
    let threads = work.map(|work| {
        let start = start.clone();
        thread::spawn(move || {
            start.wait();
            work();
        })
    });
    for thread in threads {
        thread.join().expect("no panic");
    }
}

#[test]
fn cancelled_from_two_places_everybody_is_told_once() {
    in_time(|| {
        for _ in 0..300 / SCALE {
            let root = Token::new();
            let middle = root.child();
            let (counts, leaves): (Vec<_>, Vec<_>) = (0..20)
                .map(|_| {
                    let leaf = middle.child().child();
                    let count = Arc::new(AtomicUsize::new(0));
                    let called = count.clone();
                    leaf.after_cancel(move |_| _ = called.fetch_add(1, Ordering::Relaxed)).detach();
                    (count, leaf)
                })
                .unzip();
            let (above, between) = (root.clone(), middle.clone());
            let (first, last) = (leaves[0].clone(), leaves[19].clone());
            together([
                Box::new(move || _ = above.cancel_with("root")),
                Box::new(move || _ = between.cancel_with("middle")),
                Box::new(move || _ = (first.cancel_with("leaf"), last.cancel_with("leaf"))),
            ]);
            let said = middle.cause().expect("cancelled").to_string();
            for (count, leaf) in counts.iter().zip(&leaves) {
                let told = leaf.cause().expect("cancelled").to_string();
                assert!(told == said || told == "leaf");
                assert_eq!(count.load(Ordering::Relaxed), 1);
            }
        }
    });
}

#[test]
fn a_child_made_while_its_parent_is_cancelled_is_told() {
    in_time(|| {
        for _ in 0..300 / SCALE {
            let parent = Token::new();
            let (makes, cancels) = (parent.clone(), parent.clone());
            let make = move || {
                let children: Vec<_> = (0..50).map(|_| makes.child_with_timeout(FAR).child()).collect();
                let cause = makes.wait();
                for child in children {
                    assert_eq!(child.wait().to_string(), cause.to_string());
                }
            };
            together([Box::new(make), Box::new(move || _ = cancels.cancel())]);
        }
    });
}

/// Also while everything between it and the one that cancels is let go.
#[test]
fn a_leaf_is_told_while_its_ancestors_are_let_go() {
    in_time(|| {
        for _ in 0..1_000 / SCALE {
            let root = Token::new();
            let (one, leaf) = (root.child(), root.child());
            let two = one.child();
            let three = two.child();
            let deep = three.child();
            drop(leaf);
            let cancels = root.clone();
            let told = deep.clone();
            together([
                Box::new(move || drop((one, three))),
                Box::new(move || drop(two)),
                Box::new(move || _ = cancels.cancel_with("root")),
                Box::new(move || assert_eq!(told.wait().to_string(), "root")),
            ]);
            assert!(deep.is_cancelled());
        }
    });
}

#[test]
fn whoever_was_told_finds_itself_cancelled() {
    in_time(|| {
        for _ in 0..1_000 / SCALE {
            let token = Token::new();
            let (asks, cancels) = (token.clone(), token.clone());
            drop(token);
            let ask = move || {
                asks.sync_scope(|| {
                    while !asks.is_cancelled() {
                        std::hint::spin_loop();
                    }
                    assert!(check().is_err());
                });
            };
            together([Box::new(ask), Box::new(move || _ = cancels.cancel())]);
        }
    });
}

#[test]
fn deadlines_and_cancels_of_the_same_meet() {
    in_time(|| {
        for round in 0..500 / SCALE {
            let parent = Token::new();
            let child = parent.child_with_timeout(Duration::from_micros(round % 1500));
            let (cancels, told) = (parent.clone(), child.clone());
            together([
                Box::new(move || _ = cancels.cancel()),
                Box::new(move || _ = told.wait()),
                Box::new(move || drop(child)),
            ]);
            assert!(parent.is_cancelled());
        }
    });
}
