//! The hand loop: a future that never ends, polled again and again as an executor would.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::group::Group;
use crate::measure::{Case, timed};
use crate::runtime;

/// A future as an executor holds it.
type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A future that is never ready and never asks to be woken.
pub(crate) struct Forever;

impl Future for Forever {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        black_box(Poll::Pending)
    }
}

/// A case that polls a wrapped [`Forever`], made once.
pub(crate) fn case(name: impl Into<String>, peer: &'static str, future: impl Future<Output = ()> + 'static) -> Case {
    let mut future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
    Case::new(Group::Poll, name, peer, move |n| poll_loop(n, future.as_mut()))
}

/// A case that polls a wrapped [`Forever`], made anew for every batch, inside a tokio task.
pub(crate) fn task_case<F>(name: impl Into<String>, peer: &'static str, make: impl Fn() -> F + 'static) -> Case
where
    F: Future<Output = ()> + Send + 'static,
{
    Case::new(Group::TaskPoll, name, peer, move |n| {
        let mut future: Boxed = Box::pin(make());
        runtime::in_task(move || poll_loop(n, future.as_mut()))
    })
}

fn poll_loop(n: u64, mut future: Pin<&mut (dyn Future<Output = ()> + '_)>) -> Duration {
    let mut task_cx = Context::from_waker(Waker::noop());
    timed(n, || future.as_mut().poll(&mut task_cx))
}
