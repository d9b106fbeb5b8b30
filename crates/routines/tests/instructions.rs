//! `id()` in an optimised program without a runtime is one thread-local load and at most one predictable branch.
//!
//! Builds `examples/id_asm.rs` in release mode, offline, and counts instructions with `objdump`. Without that tool, or on a
//! machine other than x86-64, it says SKIPPED.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The instructions of the probe function, or why there are none.
fn disassembly() -> Result<Vec<String>, String> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) || cfg!(miri) {
        return Err("not x86-64 Linux".into());
    }
    if Command::new("objdump").arg("--version").output().is_err() {
        return Err("objdump is not installed".into());
    }
    let example = build();
    let output = Command::new("objdump").args(["-d", "--no-show-raw-insn", "-C"]).arg(&example).output();
    let text = String::from_utf8_lossy(&output.expect("objdump was there a moment ago").stdout).into_owned();
    let mut function = text.lines().skip_while(|line| !(line.contains("asm_probe_id") && line.ends_with(">:")));
    function.next().expect("the probe is a function of its own");
    let body = function.take_while(|line| !line.trim().is_empty());
    Ok(body.filter_map(|line| line.split('\t').nth(1)).map(|i| i.trim().to_owned()).collect())
}

fn build() -> PathBuf {
    // A directory of its own: cargo holds a lock on the one this test was built in.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    let mut cargo = Command::new(env!("CARGO"));
    // What is looked at is what users get: the profile as it stands in the manifest.
    cargo.env_remove("CARGO_PROFILE_RELEASE_LTO").env_remove("CARGO_PROFILE_RELEASE_CODEGEN_UNITS");
    cargo.args(["build", "--release", "--offline", "--quiet", "--example", "id_asm", "--manifest-path"]);
    let built = cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).arg("--target-dir").arg(&target).output();
    let built = built.expect("cargo runs this test");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("release/examples/id_asm")
}

#[test]
fn id_is_one_thread_local_load_and_at_most_one_branch() {
    let body = match disassembly() {
        Ok(body) => body,
        Err(reason) => return eprintln!("\n*** SKIPPED: instructions of id(): {reason} ***\n"),
    };
    // Up to the first way out: what follows is the slow path, laid out after it.
    let end = body.iter().position(|i| i.starts_with("ret")).expect("the fast path returns");
    let fast = &body[..end];
    let count = |wanted: &dyn Fn(&str) -> bool| fast.iter().filter(|i| wanted(i)).count();
    let listing = fast.join("\n");
    assert_eq!(count(&|i| i.contains("%fs:")), 1, "one thread-local load:\n{listing}");
    assert!(count(&|i| i.starts_with('j')) <= 1, "at most one branch:\n{listing}");
    assert_eq!(count(&|i| i.starts_with("call") || i.starts_with("lock")), 0, "no call, no locked access:\n{listing}");
    assert!(fast.len() <= 8, "a handful of instructions:\n{listing}");
}
