//! Owns the thread that collects routines while somebody looks, and what it shares between requests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use routines::Timing;
use tokio::sync::oneshot;

use crate::page::Collected;

/// How old a collection may be that a request is answered from.
const SHARED_FOR: Duration = Duration::from_millis(200);

/// How long after the last request somebody still counts as looking.
const WATCHED_FOR: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(5) };

/// How many requests may wait.
const WAITING: usize = 64;

type Job = Box<dyn FnOnce(&mut Last) + Send>;

/// Answers requests one after another, on a thread that lives while there are any.
///
/// Not on the runtime's pool of blocking threads: a service whose pool is used up is one to look into.
#[derive(Clone, Default)]
pub(super) struct Watcher {
    jobs: Arc<Mutex<Option<SyncSender<Job>>>>,
}

impl Watcher {
    /// What `view` makes of all live routines, or `None` if too many wait already or no thread can be had.
    pub(super) async fn ask<R, V>(&self, view: V) -> Option<R>
    where
        R: Send + 'static,
        V: FnOnce(&Collected) -> R + Send + 'static,
    {
        let (answer, asked) = oneshot::channel();
        self.send(Box::new(move |last| {
            // Whoever hung up meanwhile costs nothing more.
            if !answer.is_closed() {
                let _ = answer.send(view(last.get()));
            }
        }))?;
        asked.await.ok()
    }

    fn send(&self, job: Job) -> Option<()> {
        let mut jobs = lock(&self.jobs);
        let job = match jobs.as_ref() {
            None => job,
            Some(jobs) => match jobs.try_send(job) {
                Ok(()) => return Some(()),
                Err(TrySendError::Full(_)) => return None,
                // Cannot be, as the thread takes back this sender before it ends; if it were, a new one helps.
                Err(TrySendError::Disconnected(job)) => job,
            },
        };
        let (sender, receiver) = sync_channel(WAITING);
        let _ = sender.try_send(job);
        let watcher = self.clone();
        thread::Builder::new().name("routines-inspect".into()).spawn(move || watcher.run(&receiver)).ok()?;
        *jobs = Some(sender);
        Some(())
    }

    fn run(&self, jobs: &Receiver<Job>) {
        let _timed = Timing::on();
        let mut last = Last(None);
        loop {
            match jobs.recv_timeout(WATCHED_FOR) {
                Ok(job) => do_one(job, &mut last),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    // Under the lock nobody sends: what has not come by now goes to the next thread.
                    let mut sender = lock(&self.jobs);
                    match jobs.try_recv() {
                        Ok(job) => {
                            drop(sender);
                            do_one(job, &mut last);
                        }
                        Err(_) => return *sender = None,
                    }
                }
            }
        }
    }
}

/// A view that panics costs its own reader an answer, and nobody else.
fn do_one(job: Job, last: &mut Last) {
    let _ = catch_unwind(AssertUnwindSafe(|| job(last)));
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last collection.
struct Last(Option<(Instant, Collected)>);

impl Last {
    /// The last collection if it is young enough, else a new one.
    fn get(&mut self) -> &Collected {
        let young = self.0.take().filter(|(at, _)| at.elapsed() < SHARED_FOR);
        let collected = young.unwrap_or_else(|| {
            let collected = Collected::now();
            (Instant::now(), collected)
        });
        &self.0.insert(collected).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_comes_while_the_thread_ends_is_answered() {
        let watcher = Watcher::default();
        let ask = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            (0..500).filter(|_| runtime.block_on(watcher.ask(|_| ())).is_none()).count()
        };
        let lost =
            thread::scope(|scope| [scope.spawn(ask), scope.spawn(ask)].map(|asks| asks.join().expect("no panic")));
        assert_eq!(lost, [0, 0]);
    }

    #[test]
    fn a_job_that_panics_leaves_the_next_one_unharmed() {
        let watcher = Watcher::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        assert_eq!(runtime.block_on(watcher.ask::<(), _>(|_| panic!("a defect in a view"))), None);
        assert_eq!(runtime.block_on(watcher.ask(|_| 7)), Some(7));
    }
}
