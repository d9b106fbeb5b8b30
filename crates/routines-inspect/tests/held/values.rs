//! Asked by a value: what routines show, and whether it is alive at all.

use std::sync::mpsc::channel;
use std::sync::{Arc, Weak};

use routines::{Local, Snapshot, thread};
use routines_inspect::held::{self, Through};

static ORDER: Local<u32> = Local::new().named("order");

/// Every test's own.
type Cart = Local<Vec<u32>>;

fn weak(cart: &Cart) -> Weak<Vec<u32>> {
    Arc::downgrade(&cart.get_arc().unwrap())
}

#[test]
fn by_value_finds_who_set_it_and_who_inherited_it_and_nobody_else() {
    let _turn = crate::turn();
    let (end, wait) = channel::<()>();
    ORDER.sync_scope(41, || {
        let child = thread::spawn(move || wait.recv().is_ok());
        let other = ORDER.sync_scope(42, || thread::spawn(|| ORDER.get()));
        let held = held::by_value("order", "41");
        let told: Vec<_> = held.routines().iter().map(|holder| (holder.routine.id, holder.through)).collect();
        let child_id = told.iter().map(|(id, _)| *id).find(|id| *id != routines::id()).unwrap();
        assert_eq!(told.len(), 2, "{held}");
        assert!(!held::by_value("amount", "41").is_alive());
        assert!(told.contains(&(routines::id(), Through::Itself)));
        assert!(told.contains(&(child_id, Through::Parent(routines::id()))));
        assert!(held.to_string().contains(&format!("inherited from its parent {}", routines::id())), "{held}");
        drop(end);
        child.join().unwrap();
        assert_eq!(other.join().unwrap(), Some(42));
    });
    assert!(!held::by_value("order", "41").is_alive());
}

#[test]
fn a_value_that_only_an_orphan_shows_names_the_parent_that_ended() {
    let _turn = crate::turn();
    let (end, wait) = channel::<()>();
    let parent =
        ORDER.sync_scope(43, || thread::spawn(move || (routines::id(), thread::spawn(move || wait.recv().is_ok()))));
    let (parent, orphan) = parent.join().unwrap();
    let held = held::by_value("order", "43");
    assert_eq!(held.routines().iter().map(|holder| holder.through).collect::<Vec<_>>(), [Through::Ended(parent)]);
    drop(end);
    orphan.join().unwrap();
}

#[test]
fn the_very_value_is_told_from_an_equal_one() {
    let _turn = crate::turn();
    static CART: Cart = Local::new().named("cart");
    let (end, wait) = channel::<()>();
    CART.sync_scope(vec![1], || {
        let mine = weak(&CART);
        let (sender, theirs) = channel();
        let other = thread::spawn(move || {
            CART.set(vec![1]);
            sender.send(weak(&CART)).unwrap();
            wait.recv().is_ok()
        });
        let theirs = theirs.recv().unwrap();
        let [mine, theirs] = [mine, theirs].map(|value| held::of(&CART, &value));
        assert_eq!((mine.routines().len(), theirs.routines().len()), (1, 1), "{mine}\n{theirs}");
        assert_eq!(mine.routines()[0].routine.id, routines::id());
        assert_ne!(theirs.routines()[0].routine.id, routines::id());
        drop(end);
        other.join().unwrap();
    });
}

#[test]
fn a_value_in_a_snapshot_only_is_alive_and_shown_by_nobody() {
    let _turn = crate::turn();
    static CART: Cart = Local::new().named("cart");
    let (value, snapshot) = CART.sync_scope(vec![1], || (weak(&CART), Snapshot::capture()));
    let held = held::of(&CART, &value);
    assert!(held.is_alive() && held.routines().is_empty());
    assert!(held.to_string().starts_with("alive, and shown by no routine"), "{held}");
    drop(snapshot);
    assert_eq!(held::of(&CART, &value).to_string(), "not held\n");
}

#[test]
fn asking_keeps_nothing_alive() {
    let _turn = crate::turn();
    static CART: Cart = Local::new().named("cart");
    let value = CART.sync_scope(vec![1], || {
        let value = weak(&CART);
        assert!(held::of(&CART, &value).is_alive());
        value
    });
    assert_eq!(value.strong_count(), 0);
}
