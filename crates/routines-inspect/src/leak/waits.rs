//! Owns how long to wait between two looks, and the wait that needs no runtime.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

/// Waits that grow, and add up to a patience.
pub(super) struct Waits {
    next: Duration,
    left: Duration,
}

const FIRST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(100);

impl Waits {
    pub(super) fn new(patience: Duration) -> Self {
        Waits { next: FIRST, left: patience }
    }
}

impl Iterator for Waits {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let wait = self.next.min(self.left);
        self.left -= wait;
        self.next = (self.next * 2).min(LONGEST);
        (!wait.is_zero()).then_some(wait)
    }
}

/// Whom to wake, and whether the time has come.
#[derive(Default)]
struct Alarm {
    rung: bool,
    waker: Option<Waker>,
}

/// Waits without the thread, on any runtime: a thread of the standard library sleeps instead, which no check counts.
pub(super) async fn pause(time: Duration) {
    let alarm = Arc::new(Mutex::new(Alarm::default()));
    let ring = alarm.clone();
    let slept = std::thread::Builder::new().spawn(move || {
        std::thread::sleep(time);
        let mut alarm = ring.lock().unwrap_or_else(PoisonError::into_inner);
        alarm.rung = true;
        let waker = alarm.waker.take();
        drop(alarm);
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    if slept.is_err() {
        // No thread is to be had: better to block than to spin.
        return std::thread::sleep(time);
    }
    poll_fn(|cx| {
        let mut alarm = alarm.lock().unwrap_or_else(PoisonError::into_inner);
        alarm.waker = Some(cx.waker().clone());
        if alarm.rung { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_of_the_default_patience_are_sixteen_and_add_up_to_it() {
        let waits: Vec<_> = Waits::new(Duration::from_secs(1)).collect();
        assert_eq!((waits.len(), waits.iter().sum()), (16, Duration::from_secs(1)));
        assert_eq!(waits[..3], [1, 2, 4].map(Duration::from_millis));
    }

    #[test]
    fn no_patience_is_no_wait() {
        assert_eq!(Waits::new(Duration::ZERO).count(), 0);
    }
}
