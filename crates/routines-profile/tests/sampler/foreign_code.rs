//! Code that is loaded while the process is being sampled, and taken away again.

use std::ffi::CStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::raw::Loaded;
use crate::support::*;

const SOURCE: &str = r#"
    #include <stdint.h>
    volatile uint64_t sink;
    __attribute__((noinline)) uint64_t leaf(uint64_t rounds) {
        for (uint64_t i = 0; i < rounds; i++) sink += i;
        return sink;
    }
    __attribute__((noinline)) uint64_t deep(uint64_t depth) {
        uint64_t result = depth ? deep(depth - 1) : leaf(50000);
        __asm__ volatile ("");
        return result + 1;
    }
"#;
const DEEP: &CStr = c"deep";
/// More than both functions have together.
const SIZE: usize = 4096;

/// Compiles the source to a file of the folder, which is gone when it drops; `None`, said loudly: there is no C compiler.
fn compiled(flag: &str) -> Option<(TempDir, PathBuf)> {
    let folder = TempDir::new().expect("a temporary folder");
    let (source, object) = (folder.path().join("code.c"), folder.path().join("code.so"));
    fs::write(&source, SOURCE).expect("a source file");
    let compiler = Command::new("cc")
        .args(["-O1", "-fno-optimize-sibling-calls", "-shared", "-fPIC", flag, "-o"])
        .arg(&object)
        .arg(&source)
        .status();
    match compiler {
        Ok(status) => assert!(status.success(), "the source compiles"),
        Err(error) => {
            eprintln!("SKIPPED: nothing was tested, as there is no C compiler `cc`: {error}");
            return None;
        }
    }
    Some((folder, object))
}

alone! {
    fn loaded_code_is_sampled_with_labels_and_its_callers() {
        let Some((_folder, object)) = compiled("-fno-omit-frame-pointer") else { return };
        let (mut at, mut used) = (0, Duration::ZERO);
        let samples = sampled(500, 600, |stop| {
            // Loaded when the profile has begun: its addresses are not in the first look at the mappings.
            burn(50);
            let loaded = Loaded::open(&object);
            at = loaded.address(DEEP);
            used = TENANT.sync_scope("acme".into(), || calls(&loaded, stop));
        });
        let inside = |pc: &usize| pc.abs_diff(at) < SIZE;
        let in_leaf = || of_tenant(&samples, Some("acme")).filter(|sample| sample.pcs.first().is_some_and(inside));
        assert_close(weight(in_leaf()), used);
        // The leaf, and the calls of `deep`: each of the 21 returns into it, but where the sample fell into a prologue.
        let whole = in_leaf().filter(|sample| sample.pcs.iter().filter(|pc| inside(pc)).count() >= 21);
        assert!(weight(whole) > weight(in_leaf()).mul_f64(0.8));
    }

    fn code_that_keeps_no_frame_pointers_has_nothing_but_code_for_callers() {
        let Some((_folder, object)) = compiled("-fomit-frame-pointer") else { return };
        let (mut at, mut used) = (0, Duration::ZERO);
        let samples = sampled(500, 400, |stop| {
            let loaded = Loaded::open(&object);
            at = loaded.address(DEEP);
            used = TENANT.sync_scope("acme".into(), || calls(&loaded, stop));
        });
        let inside = |pc: &usize| pc.abs_diff(at) < SIZE;
        assert_close(weight(of_tenant(&samples, Some("acme")).filter(|sample| sample.pcs.first().is_some_and(inside))), used);
        let maps = fs::read_to_string("/proc/self/maps").expect("mappings");
        let code: Vec<_> = maps.lines().filter(|line| line.contains("r-xp")).map(range).collect();
        let known = |pc: &usize| inside(pc) || code.iter().any(|(start, end)| (start..=end).contains(&pc));
        assert!(samples.samples.iter().flat_map(|sample| &sample.pcs).all(known));
    }

    fn code_that_is_loaded_and_taken_away_all_the_time_ends_nothing() {
        let Some((_folder, object)) = compiled("-fno-omit-frame-pointer") else { return };
        let mut rounds = 0;
        let samples = sampled(1000, 800, |stop| while !stop.load(Ordering::Relaxed) {
            Loaded::open(&object).call(DEEP, 30);
            rounds += 1;
        });
        assert!(rounds > 1 && !samples.samples.is_empty(), "{rounds} rounds, {} places", samples.samples.len());
    }
}

/// Calls the loaded code until the flag is set; the processor time it took.
fn calls(loaded: &Loaded, stop: &AtomicBool) -> Duration {
    let before = cpu();
    while !stop.load(Ordering::Relaxed) {
        loaded.call(DEEP, 20);
    }
    cpu() - before
}

fn range(line: &str) -> (usize, usize) {
    let (start, rest) = line.split_once('-').expect("a range");
    let end = rest.split(' ').next().expect("its end");
    let address = |text| usize::from_str_radix(text, 16).expect("an address");
    (address(start), address(end))
}
