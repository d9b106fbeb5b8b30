//! The auto traits of every public type, as a table: a change of one is a change of the interface.

use std::marker::PhantomPinned;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::support::implements;

/// `Send`, `Sync`, `Unpin`, `UnwindSafe`, `RefUnwindSafe`.
type Row = [bool; 5];

macro_rules! table {
    ($($type:ty => $row:expr,)*) => {{
        let mut wrong = Vec::new();
        $({
            let is: Row = [
                implements!($type: Send),
                implements!($type: Sync),
                implements!($type: Unpin),
                implements!($type: UnwindSafe),
                implements!($type: RefUnwindSafe),
            ];
            if is != $row {
                wrong.push(format!("{}: is {is:?}, expected {:?}", stringify!($type), $row));
            }
        })*
        assert!(wrong.is_empty(), "Send, Sync, Unpin, UnwindSafe, RefUnwindSafe:\n{}", wrong.join("\n"));
    }};
}

const EVERYTHING: Row = [true; 5];

/// A future that may be sent but not moved.
type Pinned = std::future::Ready<PhantomPinned>;
struct NotUnpin(PhantomPinned);

impl Future for NotUnpin {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        std::task::Poll::Ready(())
    }
}

#[test]
fn every_public_type_has_the_auto_traits_it_promises() {
    table! {
        routines::Local<String> => EVERYTHING,
        &'static routines::Local<String> => EVERYTHING,
        routines::Manager<u32, String> => EVERYTHING,
        routines::Symbol => EVERYTHING,
        routines::Snapshot => EVERYTHING,
        routines::Bindings => EVERYTHING,
        routines::Guard => [false, false, true, true, true],
        routines::Taken<String> => EVERYTHING,
        routines::Taken<std::cell::Cell<u32>> => [false, false, true, false, false],
        routines::RoutineId => EVERYTHING,
        routines::Routine => EVERYTHING,
        routines::RoutineInfo => EVERYTHING,
        routines::NamedValue => EVERYTHING,
        routines::State => EVERYTHING,
        routines::Kind => EVERYTHING,
        routines::Inherit => EVERYTHING,
        routines::SetError => EVERYTHING,
        routines::TrySetError<String> => EVERYTHING,
        routines::ParseIdError => EVERYTHING,
        routines::RoutineBuilder => EVERYTHING,
        routines::thread::Builder => EVERYTHING,
    }
}

#[test]
fn a_carried_future_is_as_sendable_and_movable_as_the_future_it_carries() {
    use routines::Carried;
    assert!(implements!(Carried<std::future::Ready<String>>: Send));
    assert!(implements!(Carried<std::future::Ready<String>>: Sync));
    assert!(implements!(Carried<std::future::Ready<String>>: Unpin));
    assert!(!implements!(Carried<std::future::Ready<std::rc::Rc<u32>>>: Send));
    assert!(!implements!(Carried<NotUnpin>: Unpin));
    assert!(implements!(Carried<Pinned>: Send));
}

#[test]
fn bound_closures_are_as_sendable_as_what_they_capture() {
    fn is_send<T: Send>(_: &T) -> bool {
        true
    }
    let (text, rc) = (String::new(), std::rc::Rc::new(1));
    assert!(is_send(&routines::bind(move || text.len())));
    // Would not compile: `is_send(&routines::bind(move || *rc))`.
    assert_eq!(routines::bind(move || *rc)(), 1);
}

#[cfg(feature = "dump")]
#[test]
fn dumps_have_the_auto_traits_they_promise() {
    table! {
        routines::Dump => EVERYTHING,
        routines::ParseDumpError => EVERYTHING,
    }
}

#[test]
fn an_id_is_as_small_with_option_around_it() {
    assert_eq!(size_of::<Option<routines::RoutineId>>(), size_of::<u64>());
}
