//! Owns the tests of what is current on a thread: the labels of the routine that runs there, and of no other.

use std::cell::Cell;
use std::sync::mpsc;

use routines::Local;
use routines_profile::record;

static TENANT: Local<String> = Local::new().named("tenant").labelled();
static SHARD: Local<u32> = Local::new().named("shard").labelled();
static TOKEN: Local<String> = Local::new().named("token").labelled().redacted();
static SECRET: Local<u32> = Local::new().named("secret");

/// Through the pointer, as a signal handler does it.
fn labels() -> Vec<(&'static str, String)> {
    let mut attrs = [0; record::MAX_ATTRS];
    let len = record::copy_attrs(&mut attrs);
    record::attrs(&attrs[..len]).map(|(name, value)| (name, value.to_owned())).collect()
}

#[test]
fn labels_follow_scopes_and_unlabelled_values_are_in_no_record() {
    routines_profile::install().unwrap();
    assert!(record::current().is_null());
    TENANT.sync_scope("acme".into(), || {
        SECRET.sync_scope(1, || assert_eq!(labels(), [("tenant", "acme".into())]));
        SHARD.sync_scope(7, || {
            let mut both = labels();
            both.sort();
            assert_eq!(both, [("shard", "7".into()), ("tenant", "acme".into())]);
        });
        TENANT.set("globex".into());
        assert_eq!(labels(), [("tenant", "globex".into())]);
    });
    assert!(record::current().is_null());
}

#[test]
fn a_thread_has_its_own_labels_and_none_when_it_ends() {
    thread_local!(static LAST: Cell<Option<AtEnd>> = const { Cell::new(None) });
    struct AtEnd(mpsc::Sender<bool>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.send(record::current().is_null()).unwrap();
        }
    }
    routines_profile::install().unwrap();
    let (send, ended_without) = mpsc::channel();
    TENANT.sync_scope("parent".into(), || {
        let child = routines::thread::spawn(move || {
            LAST.set(Some(AtEnd(send)));
            TENANT.set("child".into());
            labels()
        });
        assert_eq!(child.join().unwrap(), [("tenant", "child".into())]);
        assert_eq!(labels(), [("tenant", "parent".into())]);
        std::thread::spawn(|| assert!(record::current().is_null(), "a thread that inherits nothing")).join().unwrap();
    });
    assert_eq!(ended_without.recv(), Ok(true));
}

#[test]
fn a_panic_leaves_the_labels_of_the_scope_it_unwound_to() {
    routines_profile::install().unwrap();
    TENANT.sync_scope("outer".into(), || {
        let thrown =
            std::panic::catch_unwind(|| TENANT.sync_scope("inner".into(), || std::panic::resume_unwind(Box::new(1))));
        assert!(thrown.is_err());
        assert_eq!(labels(), [("tenant", "outer".into())]);
    });
}

#[test]
fn copied_attributes_are_cut_to_the_room_there_is() {
    routines_profile::install().unwrap();
    TENANT.sync_scope("acme".into(), || {
        let mut room = [0; 4];
        assert_eq!(record::copy_attrs(&mut room), 4);
        assert_eq!(room[1..], [4, b'a', b'c']);
        assert_eq!(record::attrs(&room).count(), 0, "an incomplete attribute is not shown");
        assert_eq!(record::copy_attrs(&mut []), 0);
    });
}

#[test]
fn a_redacted_label_is_a_mark_in_the_record() {
    routines_profile::install().unwrap();
    TOKEN.sync_scope("hunter2".into(), || assert_eq!(labels(), [("token", "[redacted]".into())]));
}

#[test]
fn installing_again_is_no_error() {
    assert_eq!(routines_profile::install(), Ok(()));
    assert_eq!(routines_profile::install(), Ok(()));
}
