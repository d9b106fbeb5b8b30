//! The surface of Go's `jtolds/gls`: independent bags of values under keys made at run time.

use routines::{FutureExt, Manager, Symbol, thread};

use crate::support::{Drops, caught, elsewhere, ready, yield_now};

type Bag = Manager<Symbol, u32>;

#[test]
fn values_are_set_for_the_call_and_gone_after_it() {
    let (manager, key) = (Bag::new(), Symbol::new());
    assert_eq!(manager.get_value(&key), None);
    let inside = manager.set_values([(key, 1)], || manager.get_value(&key));
    assert_eq!((inside, manager.get_value(&key)), (Some(1), None));
}

#[test]
fn inner_values_are_set_on_top_of_the_outer_ones() {
    let (manager, a, b) = (Bag::new(), Symbol::new(), Symbol::new());
    let read = || (manager.get_value(&a), manager.get_value(&b));
    manager.set_values([(a, 1), (b, 1)], || {
        manager.set_values([(b, 2)], || assert_eq!(read(), (Some(1), Some(2))));
        manager.set_values([], || assert_eq!(read(), (Some(1), Some(1))));
        assert_eq!(read(), (Some(1), Some(1)));
    });
    assert_eq!(read(), (None, None));
}

#[test]
fn managers_are_independent_also_with_the_same_key() {
    let (one, two, key) = (Bag::new(), Bag::new(), Symbol::new());
    one.set_values([(key, 1)], || {
        two.set_values([(key, 2)], || assert_eq!((one.get_value(&key), two.get_value(&key)), (Some(1), Some(2))));
        assert_eq!(two.get_value(&key), None);
    });
}

#[test]
fn every_manager_crosses_to_a_child_and_none_to_a_detached_one() {
    static ONE: Bag = Manager::new();
    static TWO: Manager<&str, String> = Manager::new();
    let key = Symbol::new();
    let read = move || (ONE.get_value(&key), TWO.get_value(&"k"));
    ONE.set_values([(key, 1)], || {
        TWO.set_values([("k", "v".to_string())], || {
            assert_eq!(thread::spawn(read).join().expect("no panic"), (Some(1), Some("v".into())));
            assert_eq!(thread::spawn_detached(read).join().expect("no panic"), (None, None));
            let (inherited, detached) = (async move { read() }.inherit(), async move { read() }.detached());
            assert_eq!(elsewhere(|| ready(inherited)), (Some(1), Some("v".into())));
            assert_eq!(elsewhere(|| ready(detached)), (None, None));
            assert_eq!(elsewhere(read), (None, None));
        });
    });
}

#[test]
fn a_child_and_its_parent_do_not_share_a_live_bag() {
    static BAG: Bag = Manager::new();
    let (a, b) = (Symbol::new(), Symbol::new());
    BAG.set_values([(a, 1)], || {
        let child = thread::spawn(move || {
            BAG.set_values([(a, 2), (b, 2)], || BAG.flush().map(|bag| bag.len())).zip(BAG.get_value(&a))
        });
        assert_eq!(child.join().expect("no panic"), Some((2, 1)));
        assert_eq!((BAG.get_value(&a), BAG.get_value(&b)), (Some(1), None));
    });
}

#[test]
fn flush_empties_the_frame_and_the_frames_end_brings_the_values_back() {
    let (manager, key) = (Bag::new(), Symbol::new());
    manager.set_values([(key, 1)], || {
        manager.set_values([(key, 2)], || {
            assert_eq!(manager.flush().and_then(|bag| bag.get(&key).copied()), Some(2));
            assert_eq!((manager.get_value(&key), manager.values(), manager.flush()), (None, None, None));
        });
        assert_eq!(manager.get_value(&key), Some(1));
    });
}

#[test]
fn values_are_put_back_after_a_panic() {
    let (manager, key) = (Bag::new(), Symbol::new());
    manager.set_values([(key, 1)], || {
        assert!(caught(|| manager.set_values([(key, 2)], || panic!("in a call"))).is_err());
        assert_eq!(manager.get_value(&key), Some(1));
    });
    assert_eq!(manager.values(), None);
}

#[test]
fn a_future_carries_a_bag() {
    let (manager, key) = (Bag::new(), Symbol::new());
    let work = manager.scope([(key, 1)], async {
        yield_now().await;
        manager.get_value(&key)
    });
    assert_eq!(manager.get_value(&key), None);
    assert_eq!(elsewhere(|| crate::support::block_on(work)), Some(1));
}

#[test]
fn an_unregistered_manager_reads_nothing_anywhere_and_can_be_filled_again() {
    static BAG: Bag = Manager::new();
    let key = Symbol::new();
    BAG.set_values([(key, 1)], || {
        let waiting = async move { BAG.get_value(&key) }.inherit();
        BAG.unregister();
        assert_eq!(BAG.get_value(&key), None);
        assert_eq!(elsewhere(|| ready(waiting)), None);
        assert_eq!(thread::spawn(move || BAG.get_value(&key)).join().expect("no panic"), None);
        BAG.set_values([(key, 2)], || assert_eq!(BAG.get_value(&key), Some(2)));
    });
}

#[test]
fn a_dropped_managers_values_are_dropped() {
    let drops = Drops::new();
    let manager: Manager<u8, crate::support::Counted<u32>> = Manager::default();
    manager.set_values([(1, drops.value(1))], || {
        let snapshot = routines::Snapshot::capture();
        drop(manager.get_value(&1));
        assert_eq!(snapshot.len(), 1);
    });
    assert_eq!(drops.alive(), 0);
    assert!(format!("{manager:?}").contains("Manager"));
}

#[test]
fn symbols_equal_nothing_but_themselves() {
    let symbols: std::collections::HashSet<Symbol> = (0..1000).map(|_| Symbol::new()).collect();
    assert_eq!(symbols.len(), 1000);
    let one = Symbol::new();
    let copy = one;
    assert!(one == copy && !symbols.contains(&one));
}
