//! What is let go leaves nothing: the counters are the process's, so these run one after the other.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod model;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use routines::Local;
use routines_cancel::{
    Token, after_cancel, cancelled, check, is_cancelled, live_nodes, pending_timers, shield, sync_shield, wait_timeout,
    with_cancel, with_timeout,
};
use tokio_util::sync::CancellationToken;

const FAR: Duration = Duration::from_secs(3600);

/// Alone, from nothing; and nothing must be left when it is dropped.
struct Alone(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

fn alone() -> Alone {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = Alone(ALONE.lock().unwrap_or_else(PoisonError::into_inner));
    alone.settles();
    alone
}

impl Alone {
    /// What another thread is letting go at this moment is gone soon.
    fn settles(&self) {
        let patience = Instant::now() + Duration::from_secs(60);
        while (live_nodes(), pending_timers()) != (0, 0) {
            assert!(Instant::now() < patience, "{} nodes, {} timers are left", live_nodes(), pending_timers());
            std::thread::yield_now();
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.settles();
        }
    }
}

mod nodes {
    use super::*;

    #[test]
    fn a_leaf_that_only_looks_costs_none() {
        let _alone = alone();
        let token = with_timeout(FAR);
        token.sync_scope(|| {
            let parent = token.child();
            parent.sync_scope(|| {
                let before = live_nodes();
                let look = || {
                    assert!(check().is_ok() && !is_cancelled() && routines_cancel::deadline().is_some());
                    live_nodes()
                };
                let counts: Vec<_> = (0..10).map(|_| routines::thread::spawn(look).join().expect("no panic")).collect();
                assert_eq!(counts, [before; 10]);
            });
        });
    }

    #[test]
    fn a_routine_costs_one_however_much_it_starts() {
        let _alone = alone();
        let token = with_cancel();
        token.sync_scope(|| {
            let starts = || {
                for _ in 0..10 {
                    routines::thread::spawn(|| check().is_ok()).join().expect("no panic");
                }
                live_nodes()
            };
            assert_eq!(routines::thread::spawn(starts).join().expect("no panic"), 2);
        });
    }

    #[test]
    fn a_shield_costs_none() {
        let _alone = alone();
        let before = live_nodes();
        assert_eq!(sync_shield(live_nodes), before);
        assert_eq!(futures_lite::future::block_on(shield(async { live_nodes() })), before);
    }

    #[test]
    fn they_go_with_their_last_handle_whichever_goes_first() {
        let alone = alone();
        for cancel in [false, true] {
            for parent_first in [false, true] {
                let parent = Token::new();
                let child = parent.child_with_timeout(FAR);
                let grandchild = child.child();
                if cancel {
                    child.cancel();
                }
                let order = if parent_first { [parent, child, grandchild] } else { [grandchild, child, parent] };
                order.into_iter().for_each(drop);
                alone.settles();
            }
        }
    }

    #[test]
    fn a_routine_that_starts_the_next_and_ends_makes_no_chain() {
        let _alone = alone();
        let token = Token::new();
        let most = Arc::new(AtomicUsize::new(0));
        fn next(left: u32, most: Arc<AtomicUsize>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                most.fetch_max(live_nodes(), Ordering::Relaxed);
                if left > 0 {
                    routines_tokio::spawn(next(left - 1, most));
                }
            })
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let seen = Arc::downgrade(&most);
        let count = most.clone();
        runtime.block_on(token.scope(async {
            routines_tokio::spawn(next(2_000, count));
            while seen.strong_count() > 1 {
                tokio::task::yield_now().await;
            }
        }));
        let most = most.load(Ordering::Relaxed);
        assert!(most < 10, "{most} nodes at once");
    }

    /// Also where each of them leaves something behind for a while.
    #[test]
    fn what_ended_between_those_that_live_is_stepped_over() {
        let _alone = alone();
        let root = Token::new();
        let mut tip = root.child();
        let mut leaves = Vec::new();
        for _ in 0..1_000 {
            tip = tip.child();
            leaves.push(tip.child());
        }
        assert_eq!(live_nodes(), 1 + 1_000 + 1, "those between have ended, but for the last");
        leaves.truncate(10);
        assert_eq!(live_nodes(), 1 + 10 + 1);
        root.cancel();
        assert!(leaves.iter().all(Token::is_cancelled) && tip.is_cancelled());
    }

    #[test]
    fn a_root_that_is_let_go_leaves_only_its_children() {
        let _alone = alone();
        let root = Token::new();
        let children = [root.child(), root.child()];
        drop(root);
        assert_eq!(live_nodes(), 2);
        children[0].cancel();
        assert!(!children[1].is_cancelled());
    }

    /// A value that is bound where a callback is registered, and holds the token.
    #[test]
    fn what_is_registered_keeps_no_cycle() {
        static TOKEN: Local<Token> = Local::new();
        let alone = alone();
        let token = with_cancel();
        token.sync_scope(|| {
            let _kept = after_cancel(|_| {});
            token.after_cancel(|_| {}).detach();
            routines::thread::spawn(|| after_cancel(|_| {}).detach()).join().expect("no panic");
        });
        drop(token);
        alone.settles();
        // Not detached, a cycle through such a value ends with its `Stop`.
        let token = Token::new();
        let kept = TOKEN.sync_scope(token.clone(), || token.after_cancel(|_| {}));
        drop((token, kept));
    }

    #[test]
    fn waiting_keeps_none() {
        let _alone = alone();
        let token = with_cancel();
        assert!(token.wait_timeout(Duration::ZERO).is_none());
        token.sync_scope(|| {
            assert!(wait_timeout(Duration::from_millis(1)).is_none());
            assert!(futures_lite::future::block_on(futures_lite::future::poll_once(cancelled())).is_none());
        });
        drop(token.run(std::future::pending::<()>()));
        drop(token.scope(std::future::pending::<()>()));
    }
}

mod timers {
    use super::*;

    #[test]
    fn they_go_with_their_node_and_not_at_their_moment() {
        let _alone = alone();
        let token = with_timeout(FAR);
        assert_eq!(pending_timers(), 1);
        drop(token);
        assert_eq!(pending_timers(), 0);
    }

    #[test]
    fn they_go_with_a_cancellation() {
        let _alone = alone();
        let parent = Token::new();
        let children: Vec<_> = (1..=10).map(|at| parent.child_with_timeout(FAR * at)).collect();
        assert_eq!(pending_timers(), 10);
        children[3].cancel();
        assert_eq!(pending_timers(), 9);
        parent.cancel();
        assert_eq!(pending_timers(), 0);
        assert_eq!(live_nodes(), 11, "their nodes are held");
    }

    #[test]
    fn a_deadline_that_is_not_earlier_costs_none() {
        let _alone = alone();
        let parent = with_timeout(FAR);
        let later = [parent.child(), parent.child_with_timeout(2 * FAR), parent.child().child_with_timeout(3 * FAR)];
        let same = parent.child_with_deadline(parent.deadline().expect("a deadline"));
        assert_eq!(pending_timers(), 1);
        let earlier = later[2].child_with_timeout(FAR / 2);
        assert_eq!(pending_timers(), 2);
        drop((earlier, same));
        assert_eq!(pending_timers(), 1);
    }

    #[test]
    fn below_what_is_cancelled_none_is_set() {
        let _alone = alone();
        let parent = Token::new();
        parent.cancel();
        let _child = parent.child_with_timeout(FAR);
        assert_eq!((pending_timers(), live_nodes()), (0, 1));
    }

    #[test]
    fn none_is_left_when_they_have_gone_off() {
        let _alone = alone();
        let tokens: Vec<_> = (0..1_000).map(|at| with_timeout(Duration::from_micros(at))).collect();
        for token in &tokens {
            assert!(token.wait().is_deadline());
        }
        assert_eq!(pending_timers(), 0);
    }

    #[test]
    fn those_of_a_hundred_thousand_requests_that_were_dropped_leave_none() {
        let _alone = alone();
        for round in 0..100_000 {
            let request = with_timeout(FAR + Duration::from_secs(round % 40_000));
            let _inner = request.child_with_timeout(FAR / 2);
            assert_eq!(pending_timers(), 2);
        }
        let many: Vec<_> = (1..100_000).map(|at| with_timeout(FAR + Duration::from_millis(at * 300))).collect();
        assert_eq!(pending_timers(), many.len());
    }

    /// Cancelled by somebody who found it in its parent's list, but no timer yet.
    #[test]
    fn none_is_left_by_a_child_made_while_its_parent_is_cancelled() {
        let _alone = alone();
        for round in 0..500 {
            let parent = Token::new();
            let (makes, begun) = (parent.clone(), Arc::new(AtomicUsize::new(0)));
            let count = begun.clone();
            let maker = std::thread::spawn(move || {
                while !makes.child_with_timeout(FAR).is_cancelled() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
            while begun.load(Ordering::Relaxed) <= round % 50 {
                std::hint::spin_loop();
            }
            parent.cancel();
            maker.join().expect("no panic");
            assert_eq!(pending_timers(), 0);
        }
    }
}

mod bridges {
    use super::*;

    /// How much memory it keeps when it is done a thousand times.
    fn left_by(f: impl Fn()) -> i64 {
        allocation_counter::measure(|| (0..1_000).for_each(|_| f())).bytes_current
    }

    #[test]
    fn what_follows_is_gone_with_its_last_handle() {
        let _alone = alone();
        let theirs = CancellationToken::new();
        for _ in 0..1_000 {
            drop(Token::following(&theirs));
            assert_eq!(live_nodes(), 0);
        }
        let parent = Token::new();
        for _ in 0..1_000 {
            parent.sync_scope(|| drop(Token::following(&theirs)));
            assert_eq!(live_nodes(), 1);
        }
        theirs.cancel();
        assert!(!parent.is_cancelled());
    }

    #[test]
    fn a_middle_that_follows_and_was_let_go_still_tells_its_children() {
        let _alone = alone();
        let theirs = CancellationToken::new();
        let leaf = Token::following(&theirs).child();
        theirs.cancel();
        leaf.wait();
    }

    #[test]
    fn many_of_theirs_for_one_of_ours_cost_one_callback() {
        let _alone = alone();
        let ours = Token::new();
        drop(ours.to_tokio());
        assert_eq!(left_by(|| drop(ours.to_tokio())), 0);
        let theirs = ours.to_tokio();
        ours.cancel();
        assert!(theirs.is_cancelled());
    }

    #[test]
    fn many_that_followed_a_long_lived_one_of_theirs_leave_no_memory() {
        let _alone = alone();
        let theirs = CancellationToken::new();
        drop(Token::following(&theirs));
        assert_eq!(left_by(|| drop(Token::following(&theirs))), 0);
    }
}
