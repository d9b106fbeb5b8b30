//! Owns the parallel iterator that carries a context: what follows it in the chain runs in the context of who made it.
//!
//! That is done where the items meet their consumer. Rayon splits the consumer as it splits the work, and folds each piece on
//! one thread from its start to its end; the context is entered around that fold, once per piece and not per item.

use std::sync::Arc;

use rayon::iter::ParallelIterator;
use rayon::iter::plumbing::{Consumer, Folder, UnindexedConsumer};
use routines::Bound;

/// Makes a parallel iterator carry the context.
pub trait ParallelIteratorExt: ParallelIterator {
    /// Runs everything that follows in the chain - `map`, `filter`, `for_each`, `sum` - in the caller's context, on whatever threads.
    ///
    /// The context is captured now. A piece that runs on the caller's own thread runs in the caller's routine, any other as a
    /// routine of its own, a child of the caller. What a closure sets ends with the piece. Closures that come before this in the
    /// chain run in the context too, or not, as rayon sees fit.
    ///
    /// What pulls items instead of being given them - `enumerate`, `zip`, `rev`, `chunks` - goes before it: after it they would
    /// lose the context, and are not offered. The order of the items, and their number for `collect`, stay known.
    ///
    /// Costs a frame and, on another thread, a registry record for each piece: some hundred nanoseconds.
    ///
    /// ```
    /// use rayon::prelude::*;
    /// use routines::Local;
    /// use routines_rayon::ParallelIteratorExt;
    ///
    /// static TENANT: Local<u64> = Local::new();
    ///
    /// let total: u64 = TENANT.sync_scope(7, || {
    ///     (0..1_000_u64).into_par_iter().inherit().map(|item| item + TENANT.get().unwrap()).sum()
    /// });
    /// assert_eq!(total, 499_500 + 7_000);
    /// ```
    #[track_caller]
    fn inherit(self) -> Inherit<Self> {
        Inherit { items: self, bound: Arc::new(Bound::here()) }
    }
}

impl<I: ParallelIterator> ParallelIteratorExt for I {}

/// A parallel iterator whose consumers run in a context: see [`ParallelIteratorExt::inherit`].
#[derive(Debug, Clone)]
#[must_use = "parallel iterators do nothing unless consumed"]
pub struct Inherit<I> {
    items: I,
    bound: Arc<Bound>,
}

impl<I: ParallelIterator> ParallelIterator for Inherit<I> {
    type Item = I::Item;

    fn drive_unindexed<C: UnindexedConsumer<I::Item>>(self, consumer: C) -> C::Result {
        self.items.drive_unindexed(Inside { inner: consumer, bound: self.bound })
    }

    fn opt_len(&self) -> Option<usize> {
        self.items.opt_len()
    }
}

/// A consumer, or a folder, that does its work in a context.
struct Inside<T> {
    inner: T,
    bound: Arc<Bound>,
}

impl<T> Inside<T> {
    fn of(&self, inner: T) -> Self {
        Inside { inner, bound: Arc::clone(&self.bound) }
    }
}

impl<T, C: Consumer<T>> Consumer<T> for Inside<C> {
    type Folder = InsideFolder<C::Folder>;
    type Reducer = C::Reducer;
    type Result = C::Result;

    fn split_at(self, index: usize) -> (Self, Self, C::Reducer) {
        let (left, right, reducer) = self.inner.split_at(index);
        let bound = self.bound;
        (Inside { inner: left, bound: Arc::clone(&bound) }, Inside { inner: right, bound }, reducer)
    }

    fn into_folder(self) -> Self::Folder {
        InsideFolder { inner: self.inner.into_folder(), bound: self.bound }
    }

    fn full(&self) -> bool {
        self.inner.full()
    }
}

impl<T, C: UnindexedConsumer<T>> UnindexedConsumer<T> for Inside<C> {
    fn split_off_left(&self) -> Self {
        self.of(self.inner.split_off_left())
    }

    fn to_reducer(&self) -> C::Reducer {
        self.inner.to_reducer()
    }
}

struct InsideFolder<F> {
    inner: F,
    bound: Arc<Bound>,
}

impl<T, F: Folder<T>> Folder<T> for InsideFolder<F> {
    type Result = F::Result;

    fn consume(self, item: T) -> Self {
        let InsideFolder { inner, bound } = self;
        let inner = bound.call(|| inner.consume(item));
        InsideFolder { inner, bound }
    }

    /// The whole piece.
    fn consume_iter<I: IntoIterator<Item = T>>(self, items: I) -> Self {
        let InsideFolder { inner, bound } = self;
        let inner = bound.call(|| inner.consume_iter(items));
        InsideFolder { inner, bound }
    }

    fn complete(self) -> F::Result {
        let InsideFolder { inner, bound } = self;
        bound.call(|| inner.complete())
    }

    fn full(&self) -> bool {
        self.inner.full()
    }
}
