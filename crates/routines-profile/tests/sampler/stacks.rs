//! Stacks of any shape are walked or given up, never a reason to crash.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use corosensei::{Coroutine, CoroutineResult};

use crate::support::*;

#[cfg(target_arch = "x86_64")]
alone! {
    fn a_wild_frame_pointer_crashes_nothing() {
        let samples = sampled(1000, 1500, |stop| {
            let here = std::ptr::from_ref(&stop) as usize;
            let mut random = 1_usize;
            while !stop.load(Ordering::Relaxed) {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let near = here.wrapping_add(random >> 41 & !7);
                for wild in [0, 8, usize::MAX, usize::MAX - 15, random, random >> 17, near, near + 1, 0xffff_ffff_ff60_0000] {
                    crate::raw::with_frame_pointer(wild, 200_000);
                }
            }
        });
        assert!(samples.samples.iter().map(|sample| sample.count).sum::<u64>() > 20);
    }

    fn a_frame_pointer_into_memory_that_is_taken_away_crashes_nothing() {
        sampled(1000, 1500, |stop| {
            let above = std::ptr::from_ref(&stop) as usize + (6 << 20);
            let address = std::sync::atomic::AtomicUsize::new(0);
            thread::scope(|scope| {
                scope.spawn(|| while !stop.load(Ordering::Relaxed) {
                    let page = crate::raw::Page::map(above);
                    address.store(page.address(), Ordering::Relaxed);
                });
                while !stop.load(Ordering::Relaxed) {
                    crate::raw::with_frame_pointer(address.load(Ordering::Relaxed), 1_000);
                }
            });
        });
    }

    fn what_a_wild_frame_pointer_leads_to_is_no_caller() {
        const NO_CODE: usize = 0x1234;
        let samples = sampled(1000, 500, |stop| {
            let frame = std::hint::black_box([0, NO_CODE]);
            while !stop.load(Ordering::Relaxed) {
                crate::raw::with_frame_pointer(frame.as_ptr() as usize, 200_000);
            }
        });
        assert!(!samples.samples.is_empty());
        assert!(samples.samples.iter().all(|sample| !sample.pcs.contains(&NO_CODE)));
    }
}

alone! {
    fn a_stack_deeper_than_there_is_room_for_is_cut() {
        fn deeper(levels: usize) -> usize {
            if levels == 0 { burn(5) } else { std::hint::black_box(deeper(levels - 1)); }
            levels
        }
        let samples = sampled(500, 300, |stop| while !stop.load(Ordering::Relaxed) { deeper(500); });
        assert!(samples.samples.iter().all(|sample| (1..=64).contains(&sample.pcs.len())));
    }

    fn coroutines_on_stacks_of_their_own_are_sampled_with_their_labels() {
        let mut used = [Duration::ZERO; 2];
        let samples = sampled(250, 1000, |stop| while !stop.load(Ordering::Relaxed) {
            let mut coroutine = Coroutine::new(|yielder, ()| {
                let before = cpu();
                TENANT.sync_scope("acme".into(), || burn(15));
                yielder.suspend(cpu() - before);
            });
            let before = cpu();
            burn(7);
            used[1] += cpu() - before;
            if let CoroutineResult::Yield(inside) = coroutine.resume(()) {
                used[0] += inside;
            }
            let CoroutineResult::Return(()) = coroutine.resume(()) else { panic!("it yields once") };
        });
        for (tenant, used) in [Some("acme"), None].into_iter().zip(used) {
            assert_close(weight(of_tenant(&samples, tenant)), used);
        }
    }

    fn small_stacks_are_spared_where_there_is_a_signal_stack() {
        sampled(1000, 400, |stop| while !stop.load(Ordering::Relaxed) {
            let stack = corosensei::stack::DefaultStack::new(4096).expect("a small stack");
            let mut coroutine = Coroutine::with_stack(stack, |_: &corosensei::Yielder<(), ()>, ()| burn(2));
            while let CoroutineResult::Yield(()) = coroutine.resume(()) {}
        });
    }
}
