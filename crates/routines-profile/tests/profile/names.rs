//! Owns the promises about names: functions and lines of addresses, inlined calls, what is not known.

use std::hint::black_box;

use routines_profile::ProfileBuilder;

use crate::decode::{Sample, decode};
use crate::loaded;
use crate::support::{build, sample};

/// The addresses of the stack above this call, the first being where the call returns to.
#[inline(never)]
fn return_addresses() -> Vec<usize> {
    let trace = backtrace::Backtrace::new_unresolved();
    let frames = trace.frames().iter();
    let pcs: Vec<_> = frames.map(|frame| frame.ip() as usize).collect();
    let this =
        pcs.iter().position(|&pc| symbol(pc).contains("return_addresses")).expect("this function is on the stack");
    pcs[this + 1..].to_vec()
}

fn symbol(pc: usize) -> String {
    let mut name = String::new();
    backtrace::resolve((pc - 1) as *mut _, |symbol| {
        name = symbol.name().map(|name| name.to_string()).unwrap_or_default()
    });
    name
}

#[inline(always)]
fn inlined() -> Vec<usize> {
    black_box(return_addresses())
}

#[inline(never)]
fn around() -> Vec<usize> {
    black_box(inlined())
}

fn decoded(pcs: &[usize]) -> Sample {
    decode(&build(&ProfileBuilder::new(), vec![sample(pcs, 1, &[])]).to_pprof()).samples.remove(0)
}

#[test]
fn an_inlined_call_is_shown_within_the_function_it_was_compiled_into() {
    let mut pcs = around();
    pcs[0] -= 1; // the innermost address is of an instruction, not of where a call returns to
    let sample = decoded(&pcs);
    let calls = &sample.stack[0];
    let names: Vec<_> = calls.iter().map(|(function, ..)| function.rsplit("::").next().unwrap()).collect();
    assert_eq!(names, ["inlined", "around"], "the innermost first");
    assert!(calls.iter().all(|(_, file, line)| file.ends_with("names.rs") && *line > 0), "{calls:?}");
}

#[test]
fn labels_as_frames_come_with_inlined_calls_as_frames() {
    let mut pcs = around();
    pcs[0] -= 1;
    let profile = build(&ProfileBuilder::new(), vec![sample(&pcs, 1, &[("tenant", "acme")])]);
    let sample = decode(&profile.to_pprof_labels_as_frames()).samples.remove(0);
    assert!(sample.stack.iter().all(|frame| frame.len() <= 1), "one call a frame");
    assert!(sample.functions()[0].ends_with("inlined") && sample.functions()[1].ends_with("around"));
    assert_eq!(sample.functions().last(), Some(&"tenant=acme"));
}

#[test]
fn outer_frames_have_the_line_of_the_call() {
    fn line_of_call(sample: &Sample, depth: usize) -> i64 {
        sample.stack[depth].last().unwrap().2
    }
    let (pcs, line) = (return_addresses(), line!());
    let sample = decoded(&[&[1], pcs.as_slice()].concat());
    assert_eq!(line_of_call(&sample, 1), i64::from(line));
}

#[test]
fn the_whole_stack_is_named_down_to_the_start_of_the_thread() {
    let pcs = std::thread::spawn(around).join().unwrap();
    let sample = decoded(&pcs);
    assert!(sample.functions().iter().any(|name| name.contains("thread_start")), "{:?}", sample.functions());
}

#[test]
fn names_are_readable_and_have_no_hash() {
    let sample = decoded(&[around as fn() -> Vec<usize> as usize]);
    assert_eq!(sample.functions(), ["profile::names::around"]);
}

#[test]
fn an_address_in_no_mapping_stays_an_address() {
    let profile = build(&ProfileBuilder::new(), vec![sample(&[0x10], 1, &[])]);
    assert!(decode(&profile.to_pprof()).samples[0].stack[0].is_empty());
    assert_eq!(profile.to_folded(), "0x10 1\n");
}

#[test]
fn code_that_was_loaded_after_an_earlier_profile_has_its_names() {
    decoded(&[around as fn() -> Vec<usize> as usize]);
    let address = loaded::function(c"libresolv.so.2", c"ns_parse_ttl");
    let sample = decoded(&[address]);
    assert!(sample.functions().iter().any(|name| name.contains("ns_parse_ttl")), "{:?}", sample.functions());
}

#[test]
fn code_of_a_shared_library_is_named_by_its_table_of_symbols() {
    let sample = decoded(&[libc::getpid as *const () as usize]);
    assert!(sample.functions().iter().any(|name| name.contains("getpid")), "{:?}", sample.functions());
}
