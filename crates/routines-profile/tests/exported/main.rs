//! Owns the tests of publishing itself. The symbols have to be exported by this program, and each test needs a process to itself:
//! `check/outside` does both.
#![cfg(all(target_os = "linux", feature = "otel-thread-ctx", feature = "custom-labels"))]
#![allow(unsafe_code, reason = "another library is played through the exported symbols, and a child is forked")]

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::ptr;

use routines::Local;
use routines_profile::publish::{self, PublishError, Publisher};

static TENANT: Local<&str> = Local::new().named("tenant").labelled();
static LATE: Local<&str> = Local::new().named("late").labelled();

/// This thread's pointer, found as another library would find it.
fn slot(symbol: &CStr) -> *mut *const u8 {
    // SAFETY: a valid C string.
    let at = unsafe { libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr()) };
    assert!(!at.is_null(), "{symbol:?} is exported");
    at.cast()
}

fn shown(symbol: &CStr) -> *const u8 {
    // SAFETY: a pointer of this thread.
    unsafe { slot(symbol).read() }
}

const OTEL: &CStr = c"otel_thread_ctx_v1";
const CUSTOM: &CStr = c"custom_labels_current_set";

/// The addresses of this process's contexts, by the names and signature of the specification.
fn contexts() -> Vec<u64> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let named = maps.lines().filter(|line| line.contains("OTEL_CTX"));
    named.map(|line| u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap()).collect()
}

/// The moment and the payload of the context there.
fn read_context(at: u64) -> io::Result<(u64, Vec<u8>)> {
    let memory = File::open("/proc/self/mem")?;
    let word = |offset| {
        let mut word = [0; 8];
        memory.read_exact_at(&mut word, at + offset).map(|()| u64::from_ne_bytes(word))
    };
    assert_eq!(word(0)?, u64::from_ne_bytes(*b"OTEL_CTX"));
    assert_eq!(word(8)? as u32, 2);
    let mut payload = vec![0; (word(8)? >> 32) as usize];
    memory.read_exact_at(&mut payload, word(24)?)?;
    Ok((word(16)?, payload))
}

fn has(payload: &[u8], text: &str) -> bool {
    payload.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
#[ignore = "check/outside runs it"]
fn what_is_current_shows_at_once_and_again_nothing_after_its_scope() {
    routines_profile::install().unwrap();
    TENANT.sync_scope("acme", || {
        assert!(shown(OTEL).is_null() && shown(CUSTOM).is_null());
        let published = publish::install().unwrap();
        assert!(published.thread_context && published.custom_labels);
        assert!(!shown(OTEL).is_null() && !shown(CUSTOM).is_null());
    });
    assert!(shown(OTEL).is_null() && shown(CUSTOM).is_null());
}

#[test]
#[ignore = "check/outside runs it"]
fn a_new_key_renews_the_one_context() {
    Publisher::new().resource("service.name", "shop").schema_version("tls_v1").install().unwrap();
    let [at] = contexts()[..] else { panic!("one context") };
    let (before, payload) = read_context(at).unwrap();
    assert!(
        has(&payload, "service.name") && has(&payload, "shop") && has(&payload, "tls_v1") && !has(&payload, "late")
    );
    LATE.sync_scope("x", || {
        let (after, payload) = read_context(at).unwrap();
        assert!(has(&payload, "late") && after > before);
    });
    assert_eq!(contexts(), [at]);
    // Again changes nothing, whatever it asks for.
    let again = Publisher::new().without_custom_labels().install().unwrap();
    assert!(again.custom_labels);
    assert_eq!(contexts(), [at]);
}

#[test]
#[ignore = "check/outside runs it"]
fn a_forked_child_publishes_a_context_of_its_own_also_with_new_keys() {
    publish::install().unwrap();
    TENANT.sync_scope("acme", || {
        let [parents] = contexts()[..] else { panic!("one context") };
        let (published, _) = read_context(parents).unwrap();
        // SAFETY: the child leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let good = std::panic::catch_unwind(|| {
                let [own] = contexts()[..] else { panic!("one context") };
                let (again, payload) = read_context(own).unwrap();
                assert!(again > published && has(&payload, "tenant") && !shown(OTEL).is_null());
                LATE.sync_scope("x", || assert!(has(&read_context(own).unwrap().1, "late")));
            });
            // SAFETY: no preconditions.
            unsafe { libc::_exit(i32::from(good.is_err())) };
        }
        let mut status = -1;
        // SAFETY: the child made above.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0, "the child's assertions");
        assert!(!has(&read_context(parents).unwrap().1, "late"), "the parent's context is its own");
    });
}

#[test]
#[ignore = "check/outside runs it"]
fn a_child_of_a_bare_clone_has_no_context_until_it_needs_one() {
    publish::install().unwrap();
    // SAFETY: a fork that no handler hears of; the child leaves by `_exit`.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) } as i32;
    if child == 0 {
        let good = std::panic::catch_unwind(|| {
            assert!(contexts().is_empty());
            LATE.sync_scope("x", || {
                let [own] = contexts()[..] else { panic!("one context") };
                assert!(has(&read_context(own).unwrap().1, "late"));
            });
        });
        // SAFETY: no preconditions.
        unsafe { libc::_exit(i32::from(good.is_err())) };
    }
    let mut status = -1;
    // SAFETY: the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child's assertions");
}

#[test]
#[ignore = "check/outside runs it"]
fn a_slot_in_use_is_another_librarys() {
    let theirs = 0x1234_u64;
    for symbol in [OTEL, CUSTOM] {
        // SAFETY: a pointer of this thread, which nobody follows.
        unsafe { slot(symbol).write((&raw const theirs).cast()) };
        let error = publish::install().unwrap_err();
        assert!(matches!(error, PublishError::Taken { symbol: taken } if taken.as_bytes() == symbol.to_bytes()));
        TENANT.sync_scope("acme", || assert_eq!(shown(symbol), (&raw const theirs).cast()));
        // SAFETY: as above.
        unsafe { slot(symbol).write(ptr::null()) };
    }
    assert!(contexts().is_empty());
    publish::install().unwrap();
}

#[test]
#[ignore = "check/outside runs it"]
fn a_process_context_of_another_library_is_left_alone() {
    // SAFETY: a valid C string.
    let file = unsafe { libc::memfd_create(c"OTEL_CTX".as_ptr(), 0) };
    // SAFETY: the file made above.
    assert_eq!(unsafe { libc::ftruncate(file, 32) }, 0);
    // SAFETY: a new mapping, kept to the end.
    let theirs =
        unsafe { libc::mmap(ptr::null_mut(), 32, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE, file, 0) };
    assert_ne!(theirs, libc::MAP_FAILED);
    // SAFETY: within the mapping.
    unsafe { theirs.cast::<[u8; 8]>().write(*b"OTEL_CTX") };
    assert!(matches!(publish::install(), Err(PublishError::ContextTaken)));
    TENANT.sync_scope("acme", || assert!(shown(OTEL).is_null() && shown(CUSTOM).is_null()));
    let published = Publisher::new().without_thread_context().install().unwrap();
    assert!(published.custom_labels && !published.thread_context);
    TENANT.sync_scope("acme", || assert!(shown(OTEL).is_null() && !shown(CUSTOM).is_null()));
    assert_eq!(contexts().len(), 1);
}
