//! Random operations against an oracle too simple to be wrong: every frame has a map of its own, copied.
//!
//! A failure prints the seed; `ROUTINES_MODEL_SEED=<seed>` runs that one alone, `ROUTINES_MODEL_TRACE=1` shows what it does, `ROUTINES_MODEL_RUNS` and
//! `ROUTINES_MODEL_OPS` say how much is run. Everything runs in turn, also what runs on other threads, so that a seed
//! always does the same. Values count their creations and drops: at the end of a run none is left.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use routines::{
    Bindings, Carried, FutureExt, Guard, Inherit, Kind, Local, RoutineBuilder, Snapshot, bind, flush, thread,
};

use crate::support::{Counted, Drops, elsewhere, poll_once, yield_now};

const SLOTS: usize = 26;
const DEEPEST: usize = 5;
/// What a derive function adds to its parent's tag.
const DERIVED: u64 = 1 << 32;
const DEFAULT: u64 = 77;

// ===== keys =====

type Value = Counted<u64>;

#[derive(Clone, Copy, Debug)]
struct Policy {
    never: bool,
    derive: bool,
    default: bool,
    name: Option<&'static str>,
}

enum Key {
    Prim(Local<u64>),
    Heap(Local<Value>),
}

thread_local!(static DROPS: RefCell<Drops> = RefCell::new(Drops::new()));

fn value(tag: u64) -> Value {
    DROPS.with(|drops| drops.borrow().value(tag))
}

macro_rules! on_key {
    ($key:expr, |$local:ident, $wrap:ident, $tag:ident| $body:expr) => {
        match $key {
            Key::Prim($local) => {
                let $wrap = |tag: u64| tag;
                let $tag = |v: &u64| *v;
                let _ = (&$wrap, &$tag);
                $body
            }
            Key::Heap($local) => {
                let $wrap = |tag: u64| value(tag);
                let $tag = |v: &Value| v.tag;
                let _ = (&$wrap, &$tag);
                $body
            }
        }
    };
}

impl Key {
    fn new(heap: bool, policy: Policy) -> Key {
        fn declare<T: Send + Sync + std::fmt::Debug + 'static>(
            mut local: Local<T>,
            policy: Policy,
            derive: fn(&T) -> T,
        ) -> Local<T> {
            if policy.never {
                local = local.inherit(Inherit::Never);
            }
            if policy.derive {
                local = local.derive(derive);
            }
            match policy.name {
                Some(name) => local.named(name),
                None => local,
            }
        }
        if heap {
            let local = if policy.default { Local::with_default(|| value(DEFAULT)) } else { Local::new() };
            Key::Heap(declare(local, policy, |parent| value(parent.tag + DERIVED)))
        } else {
            let local = if policy.default { Local::with_default(|| DEFAULT) } else { Local::new() };
            Key::Prim(declare(local, policy, |parent| parent + DERIVED))
        }
    }

    fn get(&self) -> Option<u64> {
        on_key!(self, |local, wrap, tag| local.get().as_ref().map(tag))
    }

    fn get_arc(&self) -> Option<u64> {
        on_key!(self, |local, wrap, tag| local.get_arc().as_deref().map(tag))
    }

    /// Lends the value out while `f` runs; it must not change.
    fn with(&self, f: impl FnOnce()) -> Option<u64> {
        on_key!(self, |local, wrap, tag| local.with(|v| {
            let before = tag(v);
            f();
            assert_eq!(tag(v), before, "a lent value changed");
            before
        }))
    }

    fn is_bound(&self) -> bool {
        on_key!(self, |local, wrap, tag| local.is_bound())
    }

    fn set(&self, new: u64) -> Option<u64> {
        on_key!(self, |local, wrap, tag| local.set(wrap(new)).as_deref().map(tag))
    }

    fn try_set(&self, new: u64) -> Option<u64> {
        on_key!(self, |local, wrap, tag| local.try_set(wrap(new)).expect("not refused here").as_deref().map(tag))
    }

    fn remove(&self) -> Option<u64> {
        on_key!(self, |local, wrap, tag| local.remove().as_deref().map(tag))
    }

    fn clear(&self) {
        on_key!(self, |local, wrap, tag| local.clear());
    }

    fn sync_scope(&self, new: u64, f: impl FnOnce()) {
        on_key!(self, |local, wrap, tag| local.sync_scope(wrap(new), f));
    }

    fn scope<F: Future>(&self, new: u64, future: F) -> Carried<F> {
        on_key!(self, |local, wrap, tag| local.scope(wrap(new), future))
    }

    fn bind(&self, bindings: Bindings, new: u64) -> Bindings {
        on_key!(self, |local, wrap, tag| bindings.with(local, wrap(new)))
    }

    fn captured(&self, snapshot: &Snapshot) -> Option<u64> {
        on_key!(self, |local, wrap, tag| snapshot.get(local).as_deref().map(tag))
    }

    fn bound(&self, bindings: &Bindings) -> Option<u64> {
        on_key!(self, |local, wrap, tag| bindings.get(local).as_deref().map(tag))
    }

    fn only(&self, snapshot: &Snapshot) -> Snapshot {
        on_key!(self, |local, wrap, tag| snapshot.only(&[local]))
    }
}

// ===== the oracle's contexts =====

#[derive(Clone)]
struct Slot {
    uid: u64,
    key: Arc<Key>,
    policy: Policy,
    /// How often the key was cleared.
    clears: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Entry {
    tag: u64,
    policy: Policy,
    bound_at: u64,
    clears: Arc<AtomicU64>,
    key: Weak<Key>,
}

impl Entry {
    fn is_current(&self) -> bool {
        self.bound_at == self.clears.load(Ordering::Relaxed)
    }
}

/// Values by key.
#[derive(Clone, Default)]
struct Map(BTreeMap<u64, Entry>);

impl Map {
    fn get(&self, slot: &Slot) -> Option<u64> {
        self.0.get(&slot.uid).filter(|entry| entry.is_current()).map(|entry| entry.tag)
    }

    fn put(&mut self, slot: &Slot, tag: u64) -> Option<u64> {
        let old = self.get(slot);
        let (clears, key) = (slot.clears.clone(), Arc::downgrade(&slot.key));
        let bound_at = clears.load(Ordering::Relaxed);
        self.0.insert(slot.uid, Entry { tag, policy: slot.policy, bound_at, clears, key });
        old
    }

    fn take(&mut self, slot: &Slot) -> Option<u64> {
        let old = self.get(slot);
        self.0.remove(&slot.uid);
        old
    }

    /// What crosses to a child.
    fn captured(&self) -> Map {
        let crossing = self.0.iter().filter(|(_, entry)| entry.is_current() && !entry.policy.never);
        Map(crossing
            .map(|(uid, entry)| {
                let mut entry = entry.clone();
                entry.tag += if entry.policy.derive { DERIVED } else { 0 };
                (*uid, entry)
            })
            .collect())
    }

    /// An immutable set of values, looked at now: clears have not touched it.
    fn revived(&self) -> Map {
        let mut map = self.clone();
        map.0.values_mut().for_each(|entry| entry.bound_at = entry.clears.load(Ordering::Relaxed));
        map
    }

    fn over(mut self, top: &Map) -> Map {
        self.0.extend(top.revived().0);
        self
    }

    fn private(&self) -> Map {
        Map(self.0.iter().filter(|(_, e)| e.policy.never).map(|(uid, e)| (*uid, e.clone())).collect())
    }

    fn len(&self) -> usize {
        self.0.values().filter(|entry| entry.key.strong_count() > 0).count()
    }

    /// Sorted; two keys may have one name.
    fn named(&self) -> Vec<(String, String)> {
        let shown = self.0.values().filter(|e| e.is_current() && e.key.strong_count() > 0);
        sorted(shown.filter_map(|e| Some((e.policy.name?.to_owned(), e.tag.to_string()))))
    }
}

fn sorted(values: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut values: Vec<_> = values.collect();
    values.sort();
    values
}

// ===== the world =====

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Task {
    work: Work,
    maker: u64,
    /// Whether it was polled by its maker first. It is not moved between the two, so that the oracle stays simple.
    home: Option<bool>,
}

type Job = Box<dyn FnOnce() + Send>;

struct World {
    random: Mutex<u64>,
    traced: bool,
    budget: Mutex<usize>,
    tags: AtomicU64,
    drops: Drops,
    /// Whether futures are also polled by the routine that made them, which changes what a routine publishes.
    homely: bool,
    /// While a future is dropped where the oracle does not say what it sees.
    unchecked: Mutex<bool>,
    slots: Mutex<Vec<Slot>>,
    snapshots: Mutex<Vec<(Snapshot, Map)>>,
    bindings: Mutex<Vec<(Bindings, Map)>>,
    tasks: Mutex<Vec<Task>>,
    jobs: Mutex<Vec<Job>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a random element out.
fn pick<T>(world: &World, list: &Mutex<Vec<T>>) -> Option<T> {
    let mut list = lock(list);
    let len = list.len();
    (len > 0).then(|| list.swap_remove(world.below(len)))
}

impl World {
    fn next(&self) -> u64 {
        let mut state = lock(&self.random);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn tag(&self) -> u64 {
        self.tags.fetch_add(1, Ordering::Relaxed) % DERIVED
    }

    fn spend(&self) -> bool {
        let mut budget = lock(&self.budget);
        *budget = budget.saturating_sub(1);
        *budget > 0
    }

    fn slot(&self) -> Slot {
        let at = self.below(SLOTS);
        lock(&self.slots)[at].clone()
    }

    fn new_slot(&self, at: usize) -> Slot {
        const NAMES: [&str; SLOTS] = [
            "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11", "k12", "k13", "k14", "k15",
            "k16", "k17", "k18", "k19", "k20", "k21", "k22", "k23", "k24", "k25",
        ];
        let policy = Policy {
            never: at % 6 == 1,
            derive: at % 7 == 2,
            default: at % 9 == 3,
            name: (at.is_multiple_of(4) || at % 7 == 1).then(|| NAMES[at]),
        };
        Slot { uid: self.next(), key: Arc::new(Key::new(at.is_multiple_of(2), policy)), policy, clears: Arc::default() }
    }

    /// Runs `f` as a thread of its own would: with the counters of this run.
    fn elsewhere<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        elsewhere(|| {
            DROPS.set(self.drops.clone());
            f()
        })
    }
}

// ===== frames =====

thread_local! {
    /// Guards outlive the frames that entered them, up to the thread's exit.
    static GUARDS: RefCell<Vec<(Guard, Rc<Cell<bool>>)>> = const { RefCell::new(Vec::new()) };
}

/// The oracle's view of a frame: a map, and under it those its guards replaced.
struct Frame {
    cx: Map,
    guards: Vec<(Rc<Cell<bool>>, Map)>,
    depth: usize,
}

impl Frame {
    fn settle(&mut self) {
        while self.guards.last().is_some_and(|(live, _)| !live.get()) {
            self.cx = self.guards.pop().map(|(_, cx)| cx).unwrap_or_default();
        }
    }

    /// The map the frame itself has, guards aside.
    fn into_base(mut self) -> Map {
        self.guards.iter().for_each(|(live, _)| live.set(false));
        self.settle();
        self.cx
    }
}

fn run(world: &Arc<World>, cx: Map, depth: usize) -> Map {
    let mut frame = Frame { cx, guards: Vec::new(), depth };
    check(world, &frame);
    for _ in 0..world.below(8) + 1 {
        if !world.spend() {
            break;
        }
        step(world, &mut frame);
        frame.settle();
        check(world, &frame);
    }
    frame.into_base()
}

fn check_values(world: &World, frame: &Frame) {
    let slots = lock(&world.slots).clone();
    for slot in &slots {
        let expected = frame.cx.get(slot);
        assert_eq!(slot.key.is_bound(), expected.is_some(), "whether {} is bound", slot.uid);
        if expected.is_some() {
            assert_eq!(slot.key.get(), expected, "the value of {}", slot.uid);
        }
    }
    let mut named = Vec::new();
    routines::for_each_named(|name, value| named.push((name.to_owned(), value.to_string())));
    assert_eq!(sorted(named.into_iter()), frame.cx.named(), "the named values");
}

fn check(world: &World, frame: &Frame) {
    check_values(world, frame);
    if !world.homely {
        let named = frame.cx.named();
        let info = routines::current().info().expect("the current routine lives");
        let shown = sorted(info.values.into_iter().map(|(name, v)| (name, text(&v))));
        assert_eq!(shown, named, "the published values");
    }
}

fn text(value: &routines::NamedValue) -> String {
    match value {
        routines::NamedValue::U64(v) => v.to_string(),
        routines::NamedValue::Str(v) => v.clone(),
        other => format!("{other:?}"),
    }
}

struct OnPurpose;

/// Runs a frame that may end by a panic; any panic but ours goes on.
fn nested(f: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f))
        && !panic.is::<OnPurpose>()
    {
        resume_unwind(panic);
    }
}

/// Runs a frame, which ends by a panic now and then.
fn body(world: &Arc<World>, cx: Map, depth: usize) {
    run(world, cx, depth);
    if world.below(6) == 0 {
        resume_unwind(Box::new(OnPurpose));
    }
}

fn step(world: &Arc<World>, frame: &mut Frame) {
    let inner = frame.depth + 1;
    let deep = inner > DEEPEST;
    let slot = world.slot();
    let op = world.below(40);
    if world.traced {
        eprintln!(
            "{:indent$}{} op {op} on {} {:?}",
            "",
            routines::id(),
            slot.uid,
            slot.policy,
            indent = frame.depth * 2
        );
    }
    match op {
        0..=7 => {
            let tag = world.tag();
            let expected = frame.cx.put(&slot, tag);
            let old = if world.below(3) == 0 { slot.key.try_set(tag) } else { slot.key.set(tag) };
            assert_eq!(old, expected, "what set gives back");
        }
        8..=10 => assert_eq!(slot.key.remove(), frame.cx.take(&slot), "what remove gives back"),
        11..=13 => {
            let expected = read(frame, &slot);
            let seen = match world.below(2) {
                0 => slot.key.get(),
                _ => slot.key.get_arc(),
            };
            assert_eq!(seen, expected);
        }
        14 if !deep => {
            let expected = read(frame, &slot);
            let seen = slot.key.with(|| {
                frame.depth += 1;
                step(world, frame);
                frame.depth -= 1;
                frame.settle();
            });
            assert_eq!(seen, expected);
        }
        15..=16 => {
            slot.clears.fetch_add(1, Ordering::Relaxed);
            slot.key.clear();
        }
        17..=20 if !deep => {
            let mut cx = frame.cx.clone();
            let tag = world.tag();
            cx.put(&slot, tag);
            nested(|| slot.key.sync_scope(tag, || body(world, cx, inner)));
        }
        21..=22 => {
            let snapshot = (Snapshot::capture(), frame.cx.captured());
            let mut snapshots = lock(&world.snapshots);
            snapshots.push(snapshot);
            let surplus = (snapshots.len() > 6).then(|| snapshots.swap_remove(0));
            drop(snapshots);
            drop(surplus);
        }
        23..=27 => use_snapshot(world, frame, &slot),
        28..=29 => use_bindings(world, frame, &slot),
        30 => {
            flush();
            frame.cx = Map::default();
        }
        31 => replace_key(world),
        32..=33 if !deep => make_task(world, frame, &slot),
        34..=35 if !deep => poll_a_task(world),
        36 => drop_something(world),
        37 if !deep => make_or_run_a_job(world, frame),
        38 if !deep => {
            let (cx, detached) = (frame.cx.captured(), world.below(3) == 0);
            let (world, cx) = (world.clone(), if detached { Map::default() } else { cx });
            let builder = thread::Builder::new();
            let builder = if detached { builder.detached() } else { builder };
            let child = builder.spawn(move || {
                DROPS.set(world.drops.clone());
                nested(|| body(&world, cx, inner));
            });
            child.expect("a thread").join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        39 => drop_a_guard(world),
        _ => {}
    }
}

/// What a read gives; it fills in the default.
fn read(frame: &mut Frame, slot: &Slot) -> Option<u64> {
    if frame.cx.get(slot).is_none() && slot.policy.default {
        frame.cx.put(slot, DEFAULT);
    }
    frame.cx.get(slot)
}

fn use_snapshot(world: &Arc<World>, frame: &mut Frame, slot: &Slot) {
    let Some((snapshot, map)) = pick(world, &world.snapshots) else { return };
    assert_eq!((snapshot.len(), slot.key.captured(&snapshot)), (map.len(), map.revived().get(slot)));
    let keep = (snapshot.clone(), map.clone());
    match world.below(5) {
        0 => {
            snapshot.restore();
            frame.cx = frame.cx.private().over(&map);
        }
        1 if frame.depth < DEEPEST => nested(|| snapshot.sync_scope(|| body(world, map.revived(), frame.depth + 1))),
        2..=3 => {
            let (guard, live) = (snapshot.enter(), Rc::new(Cell::new(true)));
            frame.guards.push((live.clone(), std::mem::replace(&mut frame.cx, map.revived())));
            let surplus = GUARDS.with(|guards| {
                let mut guards = guards.borrow_mut();
                guards.push((guard, live));
                (guards.len() > 8).then(|| guards.remove(0))
            });
            drop_guard(surplus);
        }
        _ => {
            let mut only = map.revived();
            only.0.retain(|uid, _| *uid == slot.uid);
            lock(&world.snapshots).push((slot.key.only(&snapshot), only));
        }
    }
    drop(snapshot);
    if world.below(4) > 0 {
        lock(&world.snapshots).push(keep);
    }
}

fn use_bindings(world: &Arc<World>, frame: &mut Frame, slot: &Slot) {
    let (bindings, mut map) = pick(world, &world.bindings).unwrap_or_default();
    assert_eq!((bindings.len(), slot.key.bound(&bindings)), (map.len(), map.revived().get(slot)));
    if world.below(2) == 0 && frame.depth < DEEPEST {
        let cx = frame.cx.clone().over(&map);
        nested(|| bindings.sync_scope(|| body(world, cx, frame.depth + 1)));
    }
    let (before, unchanged) = (bindings.clone(), map.clone());
    let mut bindings = bindings;
    for _ in 0..world.below(8) {
        let (slot, tag) = (world.slot(), world.tag());
        bindings = slot.key.bind(bindings, tag);
        map = map.revived();
        map.put(&slot, tag);
    }
    let mut all = lock(&world.bindings);
    if world.below(2) == 0 && all.len() < 6 {
        all.push((before, unchanged));
    }
    all.push((bindings, map));
}

fn replace_key(world: &World) {
    let at = world.below(SLOTS);
    let new = world.new_slot(at);
    let old = std::mem::replace(&mut lock(&world.slots)[at], new);
    drop(old);
}

fn drop_guard(guard: Option<(Guard, Rc<Cell<bool>>)>) {
    if let Some((guard, live)) = guard {
        live.set(false);
        drop(guard);
    }
}

fn drop_a_guard(world: &World) {
    let guard = GUARDS.with(|guards| {
        let mut guards = guards.borrow_mut();
        let len = guards.len();
        (len > 0).then(|| guards.remove(world.below(len)))
    });
    drop_guard(guard);
}

// ===== futures =====

/// What a carried future has to find: in its maker's hands, and elsewhere.
struct Carries {
    world: Arc<World>,
    maker: u64,
    here: Map,
    away: Map,
    /// The map between two polls.
    now: Option<Map>,
    depth: usize,
}

impl Carries {
    fn expected(&mut self) -> Map {
        let home = routines::id().as_u64() == self.maker;
        self.now.take().unwrap_or_else(|| std::mem::take(if home { &mut self.here } else { &mut self.away }))
    }

    fn segment(&mut self) {
        let cx = self.expected();
        let world = self.world.clone();
        let depth = self.depth;
        self.now = Some(run(&world, cx, depth));
        if world.below(12) == 0 {
            resume_unwind(Box::new(OnPurpose));
        }
    }
}

impl Drop for Carries {
    /// A future is dropped inside its context, polled or not.
    fn drop(&mut self) {
        // A future that panicked half way is dropped with what it had then, which the oracle did not follow.
        if std::thread::panicking() || self.depth == usize::MAX || *lock(&self.world.unchecked) {
            return;
        }
        let frame = Frame { cx: self.expected(), guards: Vec::new(), depth: self.depth };
        check_values(&self.world, &frame);
    }
}

async fn work(mut carries: Carries) {
    let depth = std::mem::replace(&mut carries.depth, usize::MAX);
    for _ in 0..carries.world.below(4) + 1 {
        carries.depth = depth;
        // While it runs it may panic; then the oracle has lost track.
        let running = Running(&mut carries);
        running.0.segment();
        running.end();
        yield_now().await;
    }
}

struct Running<'a>(&'a mut Carries);

impl Running<'_> {
    fn end(self) {
        std::mem::forget(self);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.depth = usize::MAX;
    }
}

fn make_task(world: &Arc<World>, frame: &mut Frame, slot: &Slot) {
    let (cx, maker, captured) = (&frame.cx, routines::id().as_u64(), frame.cx.captured());
    let carries = |here: Map, away: Map| {
        work(Carries { world: world.clone(), maker, here, away, now: None, depth: frame.depth + 1 })
    };
    let tag = world.tag();
    let mut home = if world.homely { None } else { Some(false) };
    let work: Work = match world.below(7) {
        0 => Box::pin(carries(captured.clone(), captured).inherit()),
        1 => Box::pin(carries(Map::default(), Map::default()).detached()),
        2..=3 => {
            let (mut here, mut away) = (cx.clone(), captured);
            here.put(slot, tag);
            away.put(slot, tag);
            Box::pin(slot.key.scope(tag, carries(here, away)))
        }
        4 => {
            let (bindings, map) = pick(world, &world.bindings).unwrap_or_default();
            Box::pin(bindings.scope(carries(cx.clone().over(&map), captured.over(&map))))
        }
        5 => {
            let (snapshot, map) = pick(world, &world.snapshots).unwrap_or_default();
            let map = map.revived();
            Box::pin(snapshot.scope(carries(map.clone(), map)))
        }
        _ => {
            home = Some(false);
            Box::pin(RoutineBuilder::new(Kind::Task).future(carries(captured.clone(), captured)))
        }
    };
    let mut tasks = lock(&world.tasks);
    tasks.push(Task { work, maker, home });
    let surplus = (tasks.len() > 8).then(|| tasks.swap_remove(0));
    drop(tasks);
    dispose(world, surplus);
}

/// Drops a future here, or on a thread of its own.
fn dispose(world: &Arc<World>, task: Option<Task>) {
    let Some(task) = task else { return };
    let here = routines::id().as_u64() == task.maker;
    let fits = task.home.is_none_or(|home| home == here);
    if fits && world.below(2) == 0 {
        drop(task);
    } else {
        *lock(&world.unchecked) = task.home == Some(true);
        world.elsewhere(|| drop(task));
        *lock(&world.unchecked) = false;
    }
}

fn poll_a_task(world: &Arc<World>) {
    let Some(mut task) = pick(world, &world.tasks) else { return };
    let here = world.below(2) == 0;
    let home = here && routines::id().as_u64() == task.maker;
    if task.home.is_some_and(|was| was != home) {
        lock(&world.tasks).push(task);
        return;
    }
    task.home = Some(home);
    let poll = |task: &mut Task| {
        let polled = catch_unwind(AssertUnwindSafe(|| poll_once(task.work.as_mut()).is_pending()));
        polled.unwrap_or_else(|panic| if panic.is::<OnPurpose>() { false } else { resume_unwind(panic) })
    };
    let pending = if here { poll(&mut task) } else { world.elsewhere(|| poll(&mut task)) };
    if pending { lock(&world.tasks).push(task) } else { dispose(world, Some(task)) }
}

// ===== closures =====

fn make_or_run_a_job(world: &Arc<World>, frame: &mut Frame) {
    if world.below(2) == 0
        && let Some(job) = pick(world, &world.jobs)
    {
        match world.below(3) {
            0 => nested(job),
            1 => world.elsewhere(|| nested(job)),
            _ => world.elsewhere(|| drop(job)),
        }
        return;
    }
    let (theirs, depth) = (world.clone(), frame.depth + 1);
    let captured = frame.cx.captured();
    let job: Job = match world.below(3) {
        0 => Box::new(RoutineBuilder::new(Kind::Job).job(move || body(&theirs, captured, depth))),
        1 => Box::new(RoutineBuilder::new(Kind::Job).detached().job(move || body(&theirs, Map::default(), depth))),
        _ => Box::new(bind(move || body(&theirs, captured, depth))),
    };
    lock(&world.jobs).push(job);
}

fn drop_something(world: &Arc<World>) {
    match world.below(4) {
        0 => drop(pick(world, &world.snapshots)),
        1 => drop(pick(world, &world.bindings)),
        2 => drop(pick(world, &world.jobs)),
        _ => dispose(world, pick(world, &world.tasks)),
    }
}

// ===== runs =====

fn size(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn one_run(seed: u64, ops: usize) {
    let drops = Drops::new();
    let counts = drops.clone();
    let live = elsewhere(move || {
        DROPS.set(counts.clone());
        let world = Arc::new(World {
            random: Mutex::new(seed),
            traced: std::env::var_os("ROUTINES_MODEL_TRACE").is_some(),
            budget: Mutex::new(ops),
            tags: AtomicU64::new(1),
            drops: counts,
            homely: seed.is_multiple_of(2),
            unchecked: Mutex::default(),
            slots: Mutex::default(),
            snapshots: Mutex::default(),
            bindings: Mutex::default(),
            tasks: Mutex::default(),
            jobs: Mutex::default(),
        });
        *lock(&world.slots) = (0..SLOTS).map(|at| world.new_slot(at)).collect();
        let mut cx = Map::default();
        while world.spend() {
            cx = run(&world, cx, 0);
            // The thread's own frame does not end with `run`: its guards go on, and the oracle must know them.
            GUARDS
                .with(|guards| std::mem::take(&mut *guards.borrow_mut()))
                .into_iter()
                .for_each(|g| drop_guard(Some(g)));
        }
        while let Some(task) = pick(&world, &world.tasks) {
            dispose(&world, Some(task));
        }
        let left = std::mem::take(&mut *lock(&world.jobs));
        drop(left);
        Arc::downgrade(&world)
    });
    assert_eq!(live.strong_count(), 0, "something still holds the world");
    assert_eq!(drops.alive(), 0, "values made less values dropped");
}

#[test]
fn every_operation_does_what_the_oracle_says_and_every_value_is_dropped_once() {
    let runs = size("ROUTINES_MODEL_RUNS", if cfg!(miri) { 3 } else { 100 });
    let ops = size("ROUTINES_MODEL_OPS", if cfg!(miri) { 60 } else { 1500 }) as usize;
    let seeds = match size("ROUTINES_MODEL_SEED", u64::MAX) {
        u64::MAX => (0..runs).collect(),
        seed => vec![seed],
    };
    for seed in seeds {
        let outcome = catch_unwind(AssertUnwindSafe(|| one_run(seed, ops)));
        assert!(outcome.is_ok(), "seed {seed}: run it alone with ROUTINES_MODEL_SEED={seed}");
    }
}
