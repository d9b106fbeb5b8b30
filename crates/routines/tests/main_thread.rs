//! The main thread's id is 1 (R15). Needs the main thread itself, so it has no harness.

use routines::{RoutineId, thread};

fn main() {
    // Another thread asks first: the number is not a matter of order.
    let other = std::thread::spawn(routines::id).join().expect("no panic");
    assert_ne!(other, RoutineId::MAIN);
    assert_eq!(routines::id(), RoutineId::MAIN);
    assert_eq!(routines::id().as_u64(), 1);
    let info = routines::current().info().expect("the main thread lives");
    assert_eq!((info.name.as_deref(), info.parent, info.spawned_at), (Some("main"), None, None));
    let parent = thread::spawn(|| routines::current().info().and_then(|i| i.parent));
    assert_eq!(parent.join().expect("no panic"), Some(RoutineId::MAIN));
    println!("the main thread's id is 1 ... ok\n\ntest result: ok. 1 passed; 0 failed");
}
