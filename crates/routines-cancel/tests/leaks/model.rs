//! Owns the comparison with a model: whatever is done with tokens, in whatever order, a naive tree of numbers says the same.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use routines_cancel::{Cancelled, Stop, Token, cause, deadline, is_cancelled, live_nodes, with_deadline};

use crate::{FAR, alone};

/// What one node is, to somebody who never forgets one.
struct Node {
    parent: Option<usize>,
    deadline: Option<Instant>,
    default_cause: Option<String>,
    cause: Option<String>,
    handles: usize,
    callbacks: Vec<usize>,
}

#[derive(Default)]
struct Model {
    nodes: Vec<Node>,
    called: Vec<(usize, String)>,
}

impl Model {
    fn child(&mut self, parent: Option<usize>, own: Option<Instant>) -> usize {
        let above = parent.map(|parent| &self.nodes[parent]);
        let inherited = above.and_then(|above| above.deadline);
        let born = above.and_then(|above| above.cause.clone());
        let late = own.is_some_and(|at| at <= Instant::now());
        let cause = born.clone().or(late.then(|| "deadline exceeded".to_owned()));
        let deadline = if born.is_some() { inherited } else { own.into_iter().chain(inherited).min() };
        self.nodes.push(Node { parent, deadline, default_cause: None, cause, handles: 1, callbacks: Vec::new() });
        self.nodes.len() - 1
    }

    fn is_alive(&self, node: usize) -> bool {
        self.nodes[node].handles > 0 || self.children(node).any(|child| self.is_alive(child))
    }

    fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        (node..self.nodes.len()).filter(move |child| self.nodes[*child].parent == Some(node))
    }

    fn cancel(&mut self, node: usize, said: Option<String>) -> bool {
        let cause = said.or_else(|| self.nodes[node].default_cause.clone()).unwrap_or_else(|| "cancelled".to_owned());
        if self.nodes[node].cause.is_some() {
            return false;
        }
        let mut next = vec![node];
        while let Some(node) = next.pop() {
            if self.nodes[node].cause.is_none() && self.is_alive(node) {
                self.nodes[node].cause = Some(cause.clone());
                let callbacks = std::mem::take(&mut self.nodes[node].callbacks);
                self.called.extend(callbacks.into_iter().map(|callback| (callback, cause.clone())));
                next.extend(self.children(node));
            }
        }
        true
    }
}

struct Registered {
    node: usize,
    number: usize,
    /// Not, if it was too late.
    holds: bool,
    stop: Stop,
}

/// The real ones beside the model's.
#[derive(Default)]
struct World {
    model: Model,
    tokens: Vec<(usize, Token)>,
    stops: Vec<Registered>,
    waits: Vec<(usize, Cancelled)>,
    called: Arc<Mutex<Vec<(usize, String)>>>,
    callbacks: usize,
}

impl World {
    fn keep(&mut self, node: usize, token: Token) {
        self.tokens.push((node, token));
    }

    fn some(&self, random: &mut fastrand::Rng) -> Option<(usize, Token)> {
        random.choice(&self.tokens).map(|(node, token)| (*node, token.clone()))
    }

    fn some_deadline(random: &mut fastrand::Rng) -> Option<Instant> {
        match random.u32(0..8) {
            0 => Some(Instant::now()),
            1..4 => Some(Instant::now() + FAR + Duration::from_secs(random.u64(0..20_000))),
            _ => None,
        }
    }

    fn grow(&mut self, random: &mut fastrand::Rng) {
        let own = Self::some_deadline(random);
        match self.some(random) {
            Some((parent, token)) => {
                let made = match (own, random.bool()) {
                    (None, true) => token.child(),
                    (None, false) => token.sync_scope(routines_cancel::with_cancel),
                    (Some(at), true) => token.child_with_deadline(at),
                    (Some(at), false) => token.sync_scope(|| with_deadline(at)),
                };
                let node = self.model.child(Some(parent), own);
                self.keep(node, made);
            }
            None => {
                let made = own.map_or_else(Token::new, with_deadline);
                let node = self.model.child(None, own);
                self.keep(node, made);
            }
        }
    }

    /// What is started gets a token of its own, below.
    fn spawn(&mut self, random: &mut fastrand::Rng) {
        if let Some((parent, token)) = self.some(random) {
            let child = token.sync_scope(|| routines::thread::spawn(|| Token::current().expect("a token")));
            let node = self.model.child(Some(parent), None);
            self.keep(node, child.join().expect("no panic"));
        }
    }

    fn let_go(&mut self, random: &mut fastrand::Rng) {
        if !self.tokens.is_empty() {
            let (node, _) = self.tokens.swap_remove(random.usize(0..self.tokens.len()));
            self.handle_gone(node);
        }
    }

    /// Callbacks go with the last that could have them called.
    fn handle_gone(&mut self, node: usize) {
        self.model.nodes[node].handles -= 1;
        let mut at = Some(node);
        while let Some(node) = at {
            if !self.model.is_alive(node) {
                self.model.nodes[node].callbacks.clear();
            }
            at = self.model.nodes[node].parent;
        }
    }

    fn cancel(&mut self, random: &mut fastrand::Rng) {
        let Some((node, token)) = self.some(random) else { return };
        let said = random.bool().then(|| format!("cause {}", random.u32(..)));
        let expected = self.model.cancel(node, said.clone());
        let first = match said {
            Some(said) => token.cancel_with(said),
            None if random.bool() => token.cancel(),
            None => {
                let first = !token.is_cancelled();
                let cause = token.cause().map_or_else(|| "cancelled".to_owned(), |cause| cause.to_string());
                drop(match self.model.nodes[node].default_cause {
                    Some(_) => token.guard(),
                    None => token.guard().with_cause(cause),
                });
                first
            }
        };
        assert_eq!(first, expected);
    }

    fn name_cause(&mut self, random: &mut fastrand::Rng) {
        if let Some((node, token)) = self.some(random)
            && !token.is_cancelled()
        {
            let own = format!("own {}", random.u32(..));
            drop(token.with_cause(own.clone()));
            self.model.nodes[node].default_cause.get_or_insert(own);
        }
    }

    fn register(&mut self, random: &mut fastrand::Rng) {
        let Some((node, token)) = self.some(random) else { return };
        let (number, called) = (self.callbacks, self.called.clone());
        self.callbacks += 1;
        let stop = token.after_cancel(move |cause| called.lock().expect("no panic").push((number, cause.to_string())));
        let entry = &mut self.model.nodes[node];
        match &entry.cause {
            Some(cause) => self.model.called.push((number, cause.clone())),
            None => entry.callbacks.push(number),
        }
        if random.bool() {
            let holds = entry.cause.is_none();
            entry.handles += usize::from(holds);
            self.stops.push(Registered { node, number, holds, stop });
        } else {
            stop.detach();
        }
    }

    fn stop(&mut self, random: &mut fastrand::Rng) {
        if self.stops.is_empty() {
            return;
        }
        let Registered { node, number, holds, stop } = self.stops.swap_remove(random.usize(0..self.stops.len()));
        let called = self.model.called.iter().any(|(callback, _)| *callback == number);
        self.model.nodes[node].callbacks.retain(|callback| *callback != number);
        if random.bool() {
            assert_eq!(stop.stop(), !called);
        }
        if holds {
            self.handle_gone(node);
        }
    }

    fn wait(&mut self, random: &mut fastrand::Rng) {
        match self.some(random) {
            Some((node, token)) if random.bool() => {
                self.model.nodes[node].handles += 1;
                self.waits.push((node, token.cancelled()));
            }
            _ if !self.waits.is_empty() => {
                let (node, mut wait) = self.waits.swap_remove(random.usize(0..self.waits.len()));
                let ready = Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop())).is_ready();
                assert_eq!(ready, self.model.nodes[node].cause.is_some());
                drop(wait);
                self.handle_gone(node);
            }
            _ => {}
        }
    }

    fn poll(&mut self) {
        for (node, wait) in &mut self.waits {
            let ready = Pin::new(wait).poll(&mut Context::from_waker(Waker::noop())).is_ready();
            assert_eq!(ready, self.model.nodes[*node].cause.is_some());
        }
    }

    fn agree(&self) {
        for (node, token) in &self.tokens {
            let expected = &self.model.nodes[*node];
            let told = |cause: routines_cancel::Cause| cause.to_string();
            assert_eq!((token.cause().map(told), token.deadline()), (expected.cause.clone(), expected.deadline));
            let seen = token.sync_scope(|| (cause().map(told), deadline(), is_cancelled()));
            assert_eq!(seen, (expected.cause.clone(), expected.deadline, expected.cause.is_some()));
        }
        let sorted = |called: &[(usize, String)]| {
            let mut called = called.to_vec();
            called.sort_unstable();
            called
        };
        assert_eq!(sorted(&self.called.lock().expect("no panic")), sorted(&self.model.called));
        let alive = (0..self.model.nodes.len()).filter(|node| self.model.is_alive(*node)).count();
        assert!(live_nodes() <= alive, "{} nodes where {alive} are needed at most", live_nodes());
    }
}

/// Say `CANCEL_SEED=n` to run one again.
#[test]
fn whatever_is_done_a_naive_tree_says_the_same_and_nothing_is_left() {
    let alone = alone();
    let one = std::env::var("CANCEL_SEED").ok().map(|seed| seed.parse::<u64>().expect("CANCEL_SEED is a number"));
    let seeds = one.map_or(0..150, |seed| seed..seed + 1);
    for seed in seeds {
        let run = || {
            let random = &mut fastrand::Rng::with_seed(seed);
            let mut world = World::default();
            for _ in 0..150 {
                match random.u32(0..20) {
                    0..6 => world.grow(random),
                    6 => world.spawn(random),
                    7..11 => world.let_go(random),
                    11 => world.cancel(random),
                    12 => world.name_cause(random),
                    13..16 => world.register(random),
                    16..18 => world.stop(random),
                    18 => world.wait(random),
                    _ => world.poll(),
                }
                world.agree();
            }
        };
        let outcome = std::panic::catch_unwind(run);
        assert!(outcome.is_ok(), "CANCEL_SEED={seed} fails");
        alone.settles();
    }
}
