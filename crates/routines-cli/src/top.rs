//! Owns `routines top` on a real terminal: keys, requests on a thread of their own, and the screen given back whatever happens.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};

use crate::address::Address;
use crate::client::{Client, Failure, Fault};
use crate::fetch::{Answer, Ask, fetch};
use crate::model::{Model, Step};
use crate::view;

/// What the screen waits for.
enum Happened {
    Terminal(Event),
    Answered(Ask, Result<Answer, Fault>),
    /// The terminal is gone, or the process was told to end.
    Over,
}

/// Shows the routines of a process until a key ends it.
///
/// # Errors
///
/// If the process cannot be reached at first (later the screen tells of it, and tries again), or the terminal fails.
pub fn run(address: Address, filter: String, interval: Duration) -> Result<(), Failure> {
    let mut model = Model::new(address.to_string());
    model.query.q = filter;
    let (client, ask) = (Client::new(address), model.ask());
    let first = fetch(&ask, &mut |query| client.page(query))?;
    let _ = model.answered(&ask, Ok(first));
    Ok(on_screen(|terminal| Screen::new(client, interval).run(&mut model, terminal))?)
}

/// Takes the screen, and gives it back at the end and before the message of a panic, on whichever thread.
///
/// # Errors
///
/// Those of `show`, and if there is no terminal.
pub fn on_screen<R>(show: impl FnOnce(&mut DefaultTerminal) -> io::Result<R>) -> io::Result<R> {
    let mut terminal = ratatui::try_init()?;
    let shown = show(&mut terminal);
    let restored = ratatui::try_restore();
    shown.and_then(|shown| restored.map(|()| shown))
}

struct Screen {
    happened: Receiver<Happened>,
    ask: Sender<Ask>,
    client: JoinHandle<()>,
    interval: Duration,
    due: Instant,
    /// What is shown is not what was asked for last.
    wanted: bool,
    pending: bool,
}

impl Screen {
    fn new(client: Client, interval: Duration) -> Screen {
        let (tell, happened) = channel();
        let (ask, asked) = channel();
        watch_keys(tell.clone());
        watch_signals(tell.clone());
        let client = std::thread::spawn(move || answer(&client, &asked, &tell));
        Screen { happened, ask, client, interval, due: Instant::now() + interval, wanted: false, pending: false }
    }

    fn run(mut self, model: &mut Model, terminal: &mut DefaultTerminal) -> io::Result<()> {
        loop {
            let height = terminal.size()?.height;
            model.scroll(view::window(model, height));
            terminal.draw(|frame| view::draw(model, frame))?;
            self.ask(model);
            match self.next(model, height) {
                Step::Draw => {}
                Step::Ask => self.wanted = true,
                Step::Quit => return Ok(()),
            }
            if self.client.is_finished() {
                return Err(io::Error::other("the thread that asks has ended"));
            }
        }
    }

    fn ask(&mut self, model: &Model) {
        if self.wanted && !self.pending {
            self.pending = self.ask.send(model.ask()).is_ok();
            self.wanted = false;
        }
    }

    fn next(&mut self, model: &mut Model, height: u16) -> Step {
        let waits = self.due.saturating_duration_since(Instant::now());
        let waits = if model.paused || self.pending { Duration::from_secs(1).max(waits) } else { waits };
        match self.happened.recv_timeout(waits) {
            Ok(Happened::Terminal(Event::Key(key))) => model.key(key, view::window(model, height)),
            Ok(Happened::Terminal(_)) => Step::Draw,
            Ok(Happened::Answered(ask, answer)) => {
                self.pending = false;
                self.due = Instant::now() + self.interval;
                model.answered(&ask, answer)
            }
            Ok(Happened::Over) | Err(RecvTimeoutError::Disconnected) => Step::Quit,
            Err(RecvTimeoutError::Timeout) if model.paused || self.pending => Step::Draw,
            Err(RecvTimeoutError::Timeout) => Step::Ask,
        }
    }
}

fn answer(client: &Client, asked: &Receiver<Ask>, tell: &Sender<Happened>) {
    for ask in asked {
        let answer = fetch(&ask, &mut |query| client.page(query));
        if tell.send(Happened::Answered(ask, answer)).is_err() {
            return;
        }
    }
}

/// Reading keys cannot be interrupted: the thread ends with the process, or with the terminal.
fn watch_keys(tell: Sender<Happened>) {
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if tell.send(Happened::Terminal(event)).is_err() {
                return;
            }
        }
        let _ = tell.send(Happened::Over);
    });
}

/// A screen must be given back when the process is told to end, too.
#[cfg(unix)]
fn watch_signals(tell: Sender<Happened>) {
    use signal_hook::consts::{SIGHUP, SIGTERM};
    if let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGHUP, SIGTERM]) {
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                let _ = tell.send(Happened::Over);
            }
        });
    }
}

#[cfg(not(unix))]
fn watch_signals(_: Sender<Happened>) {}
