//! Owns the answer to "which routine is this carried work?": decided late, never changed once decided (R9).

use std::cell::Cell;
use std::mem;
use std::panic::Location;

use crate::companion::Captured;
use crate::context::{Context, Published};
use crate::key::Key;
use crate::registry::{Birth, Kind, Live};
use crate::slot::{self, Who};
use crate::table::{self, Displaced, Table};
use crate::value::Value;

/// Which routine a piece of carried work runs in.
pub(crate) enum Identity {
    /// Not decided: in its maker's hands it is its maker; elsewhere it becomes a routine of its own.
    Unborn(Box<Unborn>),
    /// The routine whose whole work it is, opened by the wrapper around it.
    Root {
        /// Whether its values were published.
        announced: bool,
        /// Whether it has not run yet.
        fresh: bool,
        /// What it carries of other libraries, unless the wrapper around it carries that.
        companions: Captured,
    },
    /// A routine of its own.
    Own {
        /// The record; lent to the thread while the work runs.
        live: Option<Live>,
        /// Whether it has not run yet.
        fresh: bool,
        /// What it carries of other libraries.
        companions: Captured,
    },
}

pub(crate) struct Unborn {
    maker: u64,
    kind: Kind,
    location: &'static Location<'static>,
    /// The context it gets when it leaves its maker, if that differs from the one it has in its maker's hands.
    away: Option<Context>,
    announced: bool,
    companions: Captured,
    /// Whether they are entered in its maker's hands, too.
    rides: bool,
}

impl Unborn {
    /// Takes leave of the maker. Drop the result when convenient.
    fn leave(&mut self, cx: &mut Context) -> Option<Left> {
        self.away.take().map(|away| exchange(away, cx))
    }
}

/// What was left with the maker.
type Left = (Option<Table>, Vec<Displaced>);

/// Exchanges what only the maker may see for what the work takes along; what was set in the maker's hands stays.
fn exchange(away: Context, cx: &mut Context) -> Left {
    let mut replaced = Vec::new();
    if let Some(special) = away.shared.as_ref().and_then(Table::special) {
        special.each(&mut |token, meta, value| {
            if meta.derive.is_some() {
                replaced.push(cx.write(Key { token, meta }, Some(value.clone())));
            }
        });
    }
    (mem::replace(&mut cx.private, away.private), replaced)
}

/// The values that cross to a child of the current routine; *derive* functions run here, in the parent (R2, R6).
#[inline]
pub(crate) fn capture() -> Option<Table> {
    let mut shared = slot::crossing();
    if shared.as_ref().is_some_and(Table::derives) {
        derive(&mut shared);
    }
    shared
}

fn derive(shared: &mut Option<Table>) {
    let mut parents = Vec::new();
    if let Some(special) = shared.as_ref().and_then(Table::special) {
        special.each(&mut |token, meta, value| {
            if meta.derive.is_some() {
                parents.push((token, meta, value.clone()));
            }
        });
    }
    for (token, meta, parent) in parents {
        // No borrow is held: the function may read and set locals, and may panic, which the caller of `spawn` sees.
        let child = meta.derive.as_ref().and_then(|derive| derive(&parent));
        let key = Key { token, meta };
        drop(table::write_special(shared, key, child));
    }
}

impl Identity {
    /// Work scoped here: in its maker's hands it sees everything its maker does, elsewhere what crosses to a child; and
    /// in both what `bind` binds.
    pub(crate) fn scoped(location: &'static Location<'static>, bind: impl Fn(&mut Context)) -> (Context, Identity) {
        let mut here = slot::context();
        let differs = here.private.is_some() || here.shared.as_ref().is_some_and(Table::derives);
        let away = differs.then(|| {
            let mut away = Context { shared: capture(), private: None };
            bind(&mut away);
            away
        });
        bind(&mut here);
        // In its maker's hands a scope is a part of its maker's run, which has its own companions.
        (here, Identity::made(Kind::Task, location, away, Captured::capture(), false))
    }

    /// Work that gets what a child gets, wherever it runs: it must not keep its maker's private values alive.
    pub(crate) fn inheriting(kind: Kind, location: &'static Location<'static>) -> (Context, Identity) {
        let cx = Context { shared: capture(), private: None };
        (cx, Identity::made(kind, location, None, Captured::capture(), true))
    }

    /// Work to be carried with a context chosen already, without companions.
    pub(crate) fn unborn(kind: Kind, location: &'static Location<'static>, away: Option<Context>) -> Identity {
        Identity::made(kind, location, away, Captured::none(), false)
    }

    fn made(
        kind: Kind,
        location: &'static Location<'static>,
        away: Option<Context>,
        companions: Captured,
        rides: bool,
    ) -> Identity {
        let maker = slot::id().as_u64();
        Identity::Unborn(Box::new(Unborn { maker, kind, location, away, announced: false, companions, rides }))
    }

    /// A routine of its own from now on.
    #[inline]
    pub(crate) fn own(birth: Birth, published: Published, companions: Captured) -> Identity {
        Identity::Own { live: Some(slot::start(birth, published)), fresh: true, companions }
    }

    /// Decides, if that is still open, as the work is about to run.
    #[inline]
    pub(crate) fn settle(&mut self, me: (usize, usize), cx: &mut Context) {
        if let Identity::Unborn(unborn) = self {
            if slot::take_root(me) || slot::begins_task(cx.is_empty()) {
                let left = unborn.leave(cx);
                let companions = mem::take(&mut unborn.companions).unless_riding();
                *self = Identity::Root { announced: unborn.announced, fresh: true, companions };
                drop(left);
            } else {
                self.settle_part(cx);
            }
        }
    }

    /// As [`settle`](Self::settle), for work that is never the whole of a task: a stream, a sink, a body.
    #[inline]
    pub(crate) fn settle_part(&mut self, cx: &mut Context) {
        if let Identity::Unborn(unborn) = self
            && slot::id().as_u64() != unborn.maker
        {
            let kind = unborn.kind;
            self.separate(kind, cx);
        }
    }

    /// Decides for a routine of its own, a child of its maker, if that is still open.
    #[inline(never)]
    pub(crate) fn separate(&mut self, kind: Kind, cx: &mut Context) {
        if let Identity::Unborn(unborn) = self {
            let birth = Birth { parent: unborn.maker, kind, location: Some(unborn.location), name: None };
            let left = unborn.leave(cx);
            let companions = mem::take(&mut unborn.companions);
            *self = Identity::own(birth, cx.special(), companions);
            drop(left);
        }
    }

    /// What the work would see if it ran here, for a look at it that decides nothing.
    pub(crate) fn seen_here(&self, cx: &Context) -> Context {
        let mut seen = cx.clone();
        if let Identity::Unborn(unborn) = self
            && slot::id().as_u64() != unborn.maker
        {
            drop(unborn.away.clone().map(|away| exchange(away, &mut seen)));
        }
        seen
    }

    /// Takes leave of the maker if the work is dropped elsewhere without ever having run there.
    fn settle_dropped(&mut self, cx: &mut Context) {
        if let Identity::Unborn(unborn) = self
            && slot::id().as_u64() != unborn.maker
        {
            unborn.companions = mem::take(&mut unborn.companions).unless_riding();
            unborn.rides = true;
            drop(unborn.leave(cx));
        }
    }

    /// Runs `f` in the work's context, as its routine, with its companions entered: see [`slot::run`].
    #[inline(always)]
    pub(crate) fn run<R>(&mut self, cx: &mut Context, f: impl FnOnce() -> R, suspends: impl FnOnce(&R) -> bool) -> R {
        let (who, companions) = self.parts();
        let run = || {
            let _riding = companions.ride();
            f()
        };
        slot::run(cx, who, run, suspends)
    }

    /// Drops the work by `f`, inside its context, and ends the routine.
    pub(crate) fn drop_work(&mut self, cx: &mut Context, f: impl FnOnce()) {
        self.settle_dropped(cx);
        let shown = Cell::new(cx.has_special());
        let (who, companions) = self.parts();
        let unfinished = || {
            let _riding = companions.ride_out();
            let _values = slot::Values(&shown);
            f();
        };
        slot::run(cx, who, unfinished, |()| false);
        if shown.get() {
            self.mark_announced();
        }
        self.end();
    }

    /// Whose frame the next run is, and what is entered in it.
    #[inline]
    fn parts(&mut self) -> (Who<'_>, &Captured) {
        match self {
            Identity::Own { live, companions, .. } => (Some(live), companions),
            Identity::Root { companions, .. } => (None, companions),
            Identity::Unborn(unborn) if unborn.rides => (None, &unborn.companions),
            Identity::Unborn(_) => (None, Captured::NOTHING),
        }
    }

    /// Whether this run is the first that has to make the values visible to dumps. Answers `true` once.
    #[inline]
    pub(crate) fn announce(&mut self, cx: &Context) -> bool {
        let announced = match self {
            Identity::Own { .. } => return false,
            Identity::Unborn(unborn) => &mut unborn.announced,
            Identity::Root { announced, .. } => announced,
        };
        !mem::replace(announced, true) && (cx.has_special() || slot::shows())
    }

    /// Remembers that its values are visible to dumps, so that its end shows its host's again.
    #[inline]
    fn mark_announced(&mut self) {
        match self {
            Identity::Own { .. } => {}
            Identity::Unborn(unborn) => unborn.announced = true,
            Identity::Root { announced, .. } => *announced = true,
        }
    }

    /// Whether the work has not run yet as the whole of a routine. Answers `true` once.
    #[inline]
    pub(crate) fn starts(&mut self) -> bool {
        match self {
            Identity::Own { fresh, .. } => {
                let starts = mem::replace(fresh, false);
                if starts {
                    slot::step_aside();
                }
                starts
            }
            Identity::Root { fresh, .. } => mem::replace(fresh, false),
            Identity::Unborn(_) => false,
        }
    }

    /// Ends the routine, or shows its host's values again. Does nothing the second time.
    pub(crate) fn end(&mut self) {
        let companions = match self {
            Identity::Own { live, companions, .. } => {
                if let Some(live) = live.take() {
                    slot::end(live);
                }
                companions
            }
            Identity::Unborn(unborn) => {
                show_host(&mut unborn.announced);
                &mut unborn.companions
            }
            Identity::Root { announced, companions, .. } => {
                show_host(announced);
                companions
            }
        };
        drop(mem::take(companions));
    }

    /// Takes the routine out, to be run and ended by something else.
    pub(crate) fn take(&mut self) -> (Option<Live>, Captured) {
        match self {
            Identity::Own { live, companions, .. } => (live.take(), mem::take(companions)),
            _ => (None, Captured::none()),
        }
    }

    /// Of work that is gone.
    pub(crate) fn ended() -> Identity {
        Identity::Own { live: None, fresh: false, companions: Captured::none() }
    }

    pub(crate) fn id(&self) -> Option<u64> {
        match self {
            Identity::Own { live, .. } => live.as_ref().map(Live::id),
            _ => None,
        }
    }
}

/// Shows the host's values again, once, where those of the work inside it were announced.
fn show_host(announced: &mut bool) {
    if mem::take(announced) {
        slot::announce_current();
    }
}

/// Also when a destructor of the work panicked: a routine never stays listed after its work is gone.
impl Drop for Identity {
    fn drop(&mut self) {
        self.end();
    }
}

/// Binds a key in a context nobody else sees yet.
pub(crate) fn bind_in(cx: &mut Context, key: Key, value: Value) {
    drop(cx.write(key, Some(value)));
}
