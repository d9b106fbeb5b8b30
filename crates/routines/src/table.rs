//! Owns the layout of a context's values: a small open-addressed table, changed in place until someone captures it.
//!
//! A table is reference counted; a capture is one more reference. While there is only one, writes go in place. The
//! first write after a capture copies: the whole table while it is small, and beyond [`FLAT`] slots a *delta* over the
//! frozen *base*, so that the copy costs the same for eight values and for ten thousand. A delta that outgrows
//! [`DELTA`] is merged; a delta whose base nobody else holds any more is folded back into it, which also frees the
//! values it had replaced. There is never more than one base below a delta, so reads take at most two probes.
//!
//! Nothing here runs user code: whatever a write displaces is returned, to be dropped when no borrow is held (R12).

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};

use triomphe::{Arc, HeaderSliceWithLengthProtected, ThinArc};

use crate::key::{self, Key, Meta, Registered, index};
use crate::label::Record;
use crate::value::Value;

/// Captured tables of up to this many slots are copied whole. More than that and the reference-count trips of the copy
/// cost more than a delta does (bench group `first set after a snapshot`).
const FLAT: usize = 4;

/// A delta holds at most this many values before it is merged with its base.
const DELTA: usize = 8;

/// A table is grown rather than let a key sit further than this from its home slot, while that keeps it a quarter full: a read
/// looks at two slots in line, and further ones cost twice as much.
const REACH: usize = 1;

/// Values by key token.
#[derive(Clone)]
pub(crate) struct Table(ThinArc<Head, Slot>);

// Captured tables are never changed, and in-place changes run no user code: no panic can leave one half changed.
impl UnwindSafe for Table {}
impl RefUnwindSafe for Table {}

struct Head {
    /// The [`key::clears`] count up to which no slot here is stale.
    epoch: AtomicU64,
    /// Frozen values below this delta.
    base: Option<Table>,
    /// The named and derived values of the same context, apart so that they can be walked and published alone.
    special: Option<Table>,
    /// What profilers read of the special values.
    labels: Option<Record>,
    used: u32,
    /// How far from its home slot any key sits.
    reach: u16,
    /// Whether a derived value was ever written here.
    derives: bool,
}

impl Head {
    /// [`relabel`](Self::relabel)s if the key that was written is a label.
    fn relabel_for(&mut self, key: Key) -> Option<Record> {
        if key.meta.traits.labelled { self.relabel() } else { None }
    }

    /// Has profilers read the special values as they are now; returns what they read before.
    fn relabel(&mut self) -> Option<Record> {
        let labels = Record::of(self.special.as_ref());
        std::mem::replace(&mut self.labels, labels)
    }
}

/// As [`Head::relabel_for`], where the key's value was exchanged in place.
pub(crate) fn relabel(place: &mut Option<Table>, key: Key) -> Option<Record> {
    place.as_mut()?.in_place(|unique| unique.header_mut().relabel_for(key))?
}

/// Visits the labels in a special table, stale ones included.
pub(crate) fn each_label(special: &Table, visit: &mut dyn FnMut(u64, &'static Meta, &Value)) {
    special.each(&mut |token, meta, value| {
        if meta.traits.labelled && !key::is_never(token) {
            visit(token, meta, value);
        }
    });
}

#[derive(Clone)]
struct Slot {
    token: u64,
    /// `None` in an empty slot, and in one that says "unbound" over a base that has a value.
    meta: Option<&'static Meta>,
    value: Value,
}

/// What a look at one slot tells.
pub(crate) enum Peek {
    /// The answer.
    Found(Option<Value>),
    /// Nothing; [`Table::get`] has to look on.
    Elsewhere,
}

const EMPTY: Slot = Slot { token: 0, meta: None, value: Value::Bits(0) };

/// What a write pushed out. Dropping it may run user code.
#[derive(Default)]
#[must_use = "drop it only after every borrow of the thread's state has ended"]
pub(crate) struct Displaced {
    /// The key's value before the write.
    pub(crate) value: Option<Value>,
    /// An older generation's value whose slot was needed. Kept to be dropped, like the rest.
    #[expect(dead_code, reason = "held for its destructor")]
    stale: Option<Value>,
    tables: [Option<Table>; 2],
    /// Profilers may read it until the current one has been shown to them.
    labels: Option<Record>,
    published: Option<Table>,
}

impl Displaced {
    #[inline]
    pub(crate) fn of(value: Option<Value>) -> Self {
        Displaced { value, ..Displaced::default() }
    }

    fn and_table(mut self, table: Option<Table>) -> Self {
        let free = usize::from(self.tables[0].is_some());
        self.tables[free] = table;
        self
    }
}

impl Displaced {
    /// Takes along the labels that are no longer current: profilers may read them until they have been shown the new ones.
    pub(crate) fn and_labels(mut self, labels: Option<Record>) -> Self {
        self.labels = labels;
        self
    }

    /// Takes along what a record no longer shows.
    pub(crate) fn and_published(mut self, published: Option<Table>) -> Self {
        self.published = published;
        self
    }
}

type Unique<'a> = &'a mut HeaderSliceWithLengthProtected<Head, Slot>;

/// Where `token` sits: at most `reach` places after its home.
#[inline]
fn position(slots: &[Slot], reach: u16, token: u64) -> Option<usize> {
    let home = index(token) & slots.len().wrapping_sub(1);
    if slots.get(home)?.token == token {
        return Some(home);
    }
    if reach == 0 { None } else { position_after(slots, reach, token) }
}

#[inline(never)]
fn position_after(slots: &[Slot], reach: u16, token: u64) -> Option<usize> {
    let mask = slots.len().wrapping_sub(1);
    let places = (1..=reach as usize).map(|distance| index(token).wrapping_add(distance) & mask);
    places.into_iter().find(|at| slots.get(*at).is_some_and(|slot| slot.token == token))
}

impl Table {
    /// A table of one slot. Apart from [`flat`] because it is what nearly every first write after a capture makes.
    #[inline]
    fn single(slot: Slot, like: Option<&Table>, base: Option<Table>) -> Table {
        let head = Head {
            epoch: AtomicU64::new(like.map_or_else(key::clears, |t| t.head().epoch.load(Ordering::Relaxed))),
            base,
            special: like.and_then(|t| t.special().cloned()),
            labels: like.and_then(|t| t.head().labels.clone()),
            used: 1,
            reach: 0,
            derives: like.is_some_and(Table::derives) || slot.meta.is_some_and(|m| m.derive.is_some()),
        };
        Table(ThinArc::from_header_and_iter(head, std::iter::once(slot)))
    }

    fn empty(slots: usize, epoch: u64) -> Table {
        let head = Head {
            epoch: AtomicU64::new(epoch),
            base: None,
            special: None,
            labels: None,
            used: 0,
            reach: 0,
            derives: false,
        };
        Table(ThinArc::from_header_and_iter(head, (0..slots).map(|_| EMPTY)))
    }

    #[inline]
    fn head(&self) -> &Head {
        &self.0.header.header
    }

    #[inline]
    fn slots(&self) -> &[Slot] {
        &self.0.slice
    }

    #[inline]
    fn find(&self, token: u64) -> Option<&Slot> {
        let slots = self.slots();
        position(slots, self.head().reach, token).and_then(|at| slots.get(at))
    }

    /// The value stored under exactly this token. Constant time, hit or miss.
    #[inline]
    pub(crate) fn get(&self, token: u64) -> Option<&Value> {
        let slot = match self.find(token) {
            Some(slot) => slot,
            None => self.head().base.as_ref()?.find(token)?,
        };
        slot.meta.map(|_| &slot.value)
    }

    /// As [`get`](Self::get), if the key's home slot and the next one answer: nearly always.
    #[inline]
    pub(crate) fn peek(&self, token: u64) -> Peek {
        let (head, slots) = (self.head(), self.slots());
        let mask = slots.len().wrapping_sub(1);
        let at = |distance: usize| slots.get(index(token).wrapping_add(distance) & mask).filter(|s| s.token == token);
        match at(0).or_else(|| at(1)) {
            Some(slot) => Peek::Found(slot.meta.map(|_| slot.value.clone())),
            None if head.reach <= 1 && head.base.is_none() => Peek::Found(None),
            None => Peek::Elsewhere,
        }
    }

    /// The named and derived values.
    #[inline]
    pub(crate) fn special(&self) -> Option<&Table> {
        self.head().special.as_ref()
    }

    /// What profilers read of a context with this table.
    #[inline]
    pub(crate) fn labels(&self) -> Option<&Record> {
        self.head().labels.as_ref()
    }

    /// Whether both are the very same table.
    #[inline]
    pub(crate) fn same(&self, other: &Table) -> bool {
        std::ptr::eq(self.head(), other.head())
    }

    /// Whether capturing this table may have to call policy functions.
    #[inline]
    pub(crate) fn derives(&self) -> bool {
        self.head().derives
    }

    #[inline]
    fn is_unique(&mut self) -> bool {
        self.0.with_arc_mut(|arc| Arc::get_mut(arc).is_some())
    }

    /// Runs `change` on the table if nobody else holds it.
    #[inline]
    fn in_place<R>(&mut self, change: impl FnOnce(Unique<'_>) -> R) -> Option<R> {
        self.0.with_arc_mut(|arc| Arc::get_mut(arc).map(change))
    }

    /// Visits every bound slot, stale ones included.
    pub(crate) fn each(&self, visit: &mut dyn FnMut(u64, &'static Meta, &Value)) {
        let mut show = |slot: &Slot| {
            if let Some(meta) = slot.meta {
                visit(slot.token, meta, &slot.value);
            }
        };
        self.slots().iter().for_each(&mut show);
        if let Some(base) = &self.head().base {
            // Whatever generation the delta has of a key is newer than the base's.
            let covered = |token| self.slots().iter().any(|own| index(own.token) == index(token));
            base.slots().iter().filter(|slot| !covered(slot.token)).for_each(&mut show);
        }
    }

    fn any(&self, mut wanted: impl FnMut(u64) -> bool) -> bool {
        let mut found = false;
        self.each(&mut |token, _, _| found |= wanted(token));
        found || self.special().is_some_and(|t| t.any_flat(&mut wanted))
    }

    fn any_flat(&self, wanted: &mut impl FnMut(u64) -> bool) -> bool {
        let mut found = false;
        self.each(&mut |token, _, _| found |= wanted(token));
        found
    }
}

/// Puts a slot where reads will look for it. `Err` gives it back when there is no room.
fn insert(table: Unique<'_>, slot: Slot) -> Result<Option<Value>, Slot> {
    let (len, used) = (table.slice().len(), table.header().used as usize);
    let (mask, home) = (len.wrapping_sub(1), index(slot.token));
    let reach = if used * 4 < len { len.min(usize::from(u16::MAX)) } else { len.min(REACH + 1) };
    for distance in 0..reach {
        let place = &mut table.slice_mut()[home.wrapping_add(distance) & mask];
        let vacant = place.token == 0;
        // An older generation of the same key is garbage: take its place.
        let outdated = index(place.token) == index(slot.token) && place.token < slot.token;
        if vacant || outdated {
            let stale = std::mem::replace(place, slot);
            let head = table.header_mut();
            head.used += u32::from(vacant);
            head.reach = head.reach.max(distance as u16);
            return Ok(stale.meta.map(|_| stale.value));
        }
    }
    Err(slot)
}

/// A binding as a slot holds it: nothing bound is `None` with zero bits.
pub(crate) type Bound<V> = (Option<&'static Meta>, V);

impl Table {
    /// Exchanges the bits bound under `token`, if that can be done in place: a primitive bound here before, and no capture
    /// since. Everything stays in registers.
    #[inline]
    pub(crate) fn exchange_bits(&mut self, token: u64, new: Bound<u64>) -> Option<Bound<u64>> {
        let at = position(self.slots(), self.head().reach, token)?;
        self.in_place(|unique| {
            let slot = unique.slice_mut().get_mut(at)?;
            match &mut slot.value {
                Value::Bits(bits) => Some((std::mem::replace(&mut slot.meta, new.0), std::mem::replace(bits, new.1))),
                Value::Shared(_) => None,
            }
        })?
    }

    /// Exchanges the value bound under `token`, if that can be done in place; `Err` gives it back.
    #[inline]
    pub(crate) fn exchange(&mut self, token: u64, new: Bound<Value>) -> Result<Bound<Value>, Bound<Value>> {
        let Some(at) = position(self.slots(), self.head().reach, token) else { return Err(new) };
        self.0.with_arc_mut(|arc| match Arc::get_mut(arc).and_then(|unique| unique.slice_mut().get_mut(at)) {
            Some(slot) => Ok((std::mem::replace(&mut slot.meta, new.0), std::mem::replace(&mut slot.value, new.1))),
            None => Err(new),
        })
    }
}

/// Binds or unbinds `key` in the table at `place`, copying first if the table is captured.
#[inline]
pub(crate) fn write(place: &mut Option<Table>, key: Key, value: Option<Value>) -> Displaced {
    match place {
        Some(table) if table.head().base.is_none() => match table.exchange(key.token, bound(key, value)) {
            Ok((meta, old)) => Displaced::of(meta.map(|_| old)),
            Err((meta, value)) => write_slow(place, key, meta.map(|_| value)),
        },
        _ => write_slow(place, key, value),
    }
}

/// A write as a slot will hold it.
#[inline]
pub(crate) fn bound(key: Key, value: Option<Value>) -> Bound<Value> {
    match value {
        Some(value) => (Some(key.meta), value),
        None => (None, Value::Bits(0)),
    }
}

#[inline(never)]
fn write_slow(place: &mut Option<Table>, key: Key, value: Option<Value>) -> Displaced {
    let folded = fold(place);
    let old = place.as_ref().and_then(|t| t.get(key.token)).cloned();
    if value.is_none() && old.is_none() {
        return Displaced::default().and_table(folded);
    }
    let slot =
        Slot { token: key.token, meta: value.is_some().then_some(key.meta), value: value.unwrap_or(Value::Bits(0)) };
    let (stale, replaced) = match place.as_mut().map(|t| t.in_place(|unique| put(unique, slot.clone()))) {
        Some(Some(Ok(stale))) => (stale, None),
        _ => (None, grow(place, slot)),
    };
    Displaced { value: old, stale, tables: [folded, replaced], ..Displaced::default() }
}

/// Overwrites the token's own slot, or inserts one.
fn put(table: Unique<'_>, slot: Slot) -> Result<Option<Value>, Slot> {
    match position(table.slice(), table.header().reach, slot.token) {
        Some(at) => {
            let was = std::mem::replace(&mut table.slice_mut()[at], slot);
            Ok(was.meta.map(|_| was.value))
        }
        None => insert(table, slot),
    }
}

/// Replaces the table by a roomier or unshared one that also holds `slot`. Returns the replaced table.
fn grow(place: &mut Option<Table>, slot: Slot) -> Option<Table> {
    let Some(old) = place else {
        *place = Some(Table::single(slot, None, None));
        return None;
    };
    let delta = match &old.head().base {
        Some(_) => old.head().used as usize <= DELTA,
        None => old.head().used as usize > FLAT && !old.is_unique(),
    };
    let new =
        if delta { over_base(old, slot) } else { old.with(&slot).unwrap_or_else(|| merged(old, Some(slot), Some)) };
    place.replace(new)
}

/// A delta over `old`'s base, or over `old` itself when it has none.
fn over_base(old: &Table, slot: Slot) -> Table {
    let (own, base) = match &old.head().base {
        Some(base) => (old.slots(), base.clone()),
        None => (&[][..], old.clone()),
    };
    if own.iter().all(|s| s.token == 0 || s.token == slot.token) {
        return Table::single(slot, Some(old), Some(base));
    }
    let mut slots: Vec<Slot> = own.iter().filter(|s| s.token != 0 && s.token != slot.token).cloned().collect();
    slots.push(slot);
    let mut new = flat(&slots, Some(old));
    new.in_place(|unique| unique.header_mut().base = Some(base));
    new
}

/// One flat table of everything readable in `old`, its tokens mapped, with `slot` on top.
fn merged(old: &Table, slot: Option<Slot>, mut map: impl FnMut(u64) -> Option<u64>) -> Table {
    if let (Some(slot), [only], None) = (&slot, old.slots(), &old.head().base)
        && (only.token == slot.token || only.meta.is_none())
    {
        return Table::single(slot.clone(), Some(old), None);
    }
    let mut slots: Vec<Slot> = Vec::with_capacity(old.slots().len() + 1);
    let mut remapped = false;
    old.each(&mut |token, meta, value| {
        let Some(mapped) = map(token).filter(|_| slot.as_ref().is_none_or(|s| s.token != token)) else { return };
        remapped |= mapped != token;
        let merged = Slot { token: mapped, meta: Some(meta), value: value.clone() };
        // Two generations of a key may meet under its present token: the one that had it already is the newer.
        match slots.iter_mut().find(|s| remapped && s.token == mapped) {
            Some(older) if mapped == token => *older = merged,
            Some(_) => {}
            None => slots.push(merged),
        }
    });
    slots.extend(slot.filter(|s| s.meta.is_some()));
    flat(&slots, Some(old))
}

/// A table of exactly these slots; epoch, special values and flags are `like` the other's.
fn flat(slots: &[Slot], like: Option<&Table>) -> Table {
    let mut room = slots.len().max(1).next_power_of_two();
    loop {
        let epoch = like.map_or_else(key::clears, |t| t.head().epoch.load(Ordering::Relaxed));
        let mut table = Table::empty(room, epoch);
        let fits = table.in_place(|unique| {
            let head = unique.header_mut();
            head.special = like.and_then(|t| t.special().cloned());
            head.labels = like.and_then(|t| t.head().labels.clone());
            head.derives =
                like.is_some_and(Table::derives) || slots.iter().any(|s| s.meta.is_some_and(|m| m.derive.is_some()));
            slots.iter().all(|slot| insert(unique, slot.clone()).is_ok())
        });
        if fits == Some(true) {
            return table;
        }
        room *= 2;
    }
}

/// Moves a delta into its base when nobody else holds either, here and among the special values. Returns the emptied delta
/// with the values it had replaced.
pub(crate) fn fold(place: &mut Option<Table>) -> Option<Table> {
    let delta = place.as_mut()?;
    let mut base = delta.in_place(|unique| unique.header_mut().base.take_if(|b| b.is_unique()))??;
    let fits = delta.in_place(|own| base.in_place(|below| move_down(own, below)));
    if fits == Some(Some(true)) {
        return place.replace(base);
    }
    // No room below: what was moved is in the base, what was not is still in the delta; a merge sees both.
    delta.in_place(|own| own.header_mut().base = Some(base));
    let new = merged(delta, None, Some);
    place.replace(new)
}

/// Moves the values of `own` into `below`. `false` if not all fit; then every key is still readable through both.
fn move_down(own: Unique<'_>, below: Unique<'_>) -> bool {
    let fits = own.slice_mut().iter_mut().all(|slot| {
        slot.token == 0
            || position(below.slice(), below.header().reach, slot.token).is_some()
            || insert_from(below, slot)
    });
    if !fits {
        return false;
    }
    // Only when nothing can fail any more do replaced values change places with their successors.
    for slot in own.slice_mut().iter_mut().filter(|slot| slot.token != 0) {
        if let Some(at) = position(below.slice(), below.header().reach, slot.token) {
            std::mem::swap(&mut below.slice_mut()[at], slot);
        }
    }
    let epoch = own.header().epoch.load(Ordering::Relaxed).min(below.header().epoch.load(Ordering::Relaxed));
    let (head, own) = (below.header_mut(), own.header_mut());
    std::mem::swap(&mut head.special, &mut own.special);
    std::mem::swap(&mut head.labels, &mut own.labels);
    head.epoch = AtomicU64::new(epoch);
    head.derives |= own.derives;
    true
}

/// Moves a slot to a free place below. It keeps a value of an older generation whose place it took.
fn insert_from(below: Unique<'_>, slot: &mut Slot) -> bool {
    match insert(below, std::mem::replace(slot, EMPTY)) {
        Ok(stale) => {
            slot.value = stale.unwrap_or(Value::Bits(0));
            true
        }
        Err(back) => {
            *slot = back;
            false
        }
    }
}

/// Lets a table that is about to be dropped go of its base, so that the base can be changed in place where it is current.
pub(crate) fn detach(place: &mut Option<Table>) {
    let base = place.as_mut().and_then(|t| t.in_place(|unique| unique.header_mut().base.take()));
    drop(base.flatten());
}

/// Binds or unbinds a named or derived key in the special table below `place`.
pub(crate) fn write_special(place: &mut Option<Table>, key: Key, value: Option<Value>) -> Displaced {
    if place.is_none() && value.is_none() {
        return Displaced::default();
    }
    let replaced = own(place);
    let displaced = place.as_mut().and_then(|outer| {
        outer.in_place(|unique| {
            let head = unique.header_mut();
            head.derives |= key.meta.derive.is_some();
            let displaced = write(&mut head.special, key, value);
            displaced.and_labels(head.relabel_for(key))
        })
    });
    displaced.unwrap_or_default().and_table(replaced)
}

/// [`Table::exchange`] in the special table below `place`.
#[inline]
pub(crate) fn exchange_special(
    place: &mut Option<Table>,
    token: u64,
    new: Bound<Value>,
) -> Result<Bound<Value>, Bound<Value>> {
    let Some(outer) = place else { return Err(new) };
    outer.0.with_arc_mut(|arc| match Arc::get_mut(arc).and_then(|unique| unique.header_mut().special.as_mut()) {
        Some(special) => special.exchange(token, new),
        None => Err(new),
    })
}

/// Makes sure that `place` holds a table nobody else does.
fn own(place: &mut Option<Table>) -> Option<Table> {
    let Some(table) = place else {
        *place = Some(Table::empty(1, key::clears()));
        return None;
    };
    if table.is_unique() {
        return None;
    }
    let new = if table.head().base.is_none() && table.head().used as usize > FLAT {
        let mut new = flat(&[], Some(table));
        new.in_place(|unique| unique.header_mut().base = Some(table.clone()));
        new
    } else {
        table.copied()
    };
    place.replace(new)
}

impl Table {
    /// The same for a holder of its own, with every slot where it was: one allocation.
    fn copied(&self) -> Table {
        let Head { epoch, base, special, labels, used, reach, derives } = self.head();
        let head = Head {
            epoch: AtomicU64::new(epoch.load(Ordering::Relaxed)),
            base: base.clone(),
            special: special.clone(),
            labels: labels.clone(),
            used: *used,
            reach: *reach,
            derives: *derives,
        };
        Table(ThinArc::from_header_and_iter(head, self.slots().iter().cloned()))
    }

    /// A copy that also holds `slot`, where that fits into a captured table as it is.
    fn with(&mut self, slot: &Slot) -> Option<Table> {
        let fits = slot.meta.is_some() && self.slots().len() > 1 && self.head().base.is_none() && !self.is_unique();
        let mut copy = fits.then(|| self.copied())?;
        copy.in_place(|unique| put(unique, slot.clone()).is_ok())?.then_some(copy)
    }

    /// Whether values that were replaced after a capture are still held although every capture is gone.
    #[inline]
    pub(crate) fn is_foldable(&mut self) -> bool {
        self.head().base.is_some()
            && self.in_place(|unique| unique.header_mut().base.as_mut().is_some_and(Table::is_unique)) == Some(true)
    }

    /// Whether a key was cleared or dropped since this table was last looked through.
    #[inline]
    pub(crate) fn is_dated(&self) -> bool {
        self.head().epoch.load(Ordering::Relaxed) != key::clears()
    }
}

/// Drops what was cleared since the table was last looked through. Returns the replaced table, if any.
pub(crate) fn refresh(place: &mut Option<Table>) -> Option<Table> {
    remap(place, |keys, token| keys.is_current(token).then_some(token))
}

/// Makes an immutable capture readable again after clears: values keep living under their key's present token.
pub(crate) fn revive(place: &mut Option<Table>) -> Option<Table> {
    remap(place, Registered::revived)
}

/// Reduces an immutable capture to the keys `wanted`.
pub(crate) fn keep(place: &mut Option<Table>, wanted: impl Fn(u64) -> bool) -> Option<Table> {
    let table = place.as_ref()?;
    let map = |token| Some(token).filter(|token| wanted(*token));
    let mut new = merged(table, None, map);
    let special = table.special().map(|t| merged(t, None, map));
    new.in_place(|unique| {
        unique.header_mut().special = special;
        unique.header_mut().relabel()
    });
    place.replace(new)
}

fn remap(place: &mut Option<Table>, map: impl Fn(&Registered, u64) -> Option<u64>) -> Option<Table> {
    let table = place.as_ref().filter(|t| t.is_dated())?;
    let (epoch, keys) = (key::clears(), Registered::lock());
    if !table.any(|token| map(&keys, token) != Some(token)) {
        table.head().epoch.store(epoch, Ordering::Relaxed);
        return None;
    }
    let mut new = merged(table, None, |token| map(&keys, token));
    let mut special = table.special().map(|t| merged(t, None, |token| map(&keys, token)));
    if let Some(special) = &mut special {
        special.in_place(|unique| unique.header_mut().epoch = AtomicU64::new(epoch));
    }
    new.in_place(|unique| {
        unique.header_mut().special = special;
        unique.header_mut().epoch = AtomicU64::new(epoch);
        unique.header_mut().relabel()
    });
    place.replace(new)
}
