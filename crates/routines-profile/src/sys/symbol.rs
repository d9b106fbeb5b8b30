//! Owns the exported thread-local symbols that profilers outside the process read, and the few instructions that reach them.
//!
//! Stable Rust has neither weak symbols nor exportable thread-locals, so both are written in assembly: each symbol is a pointer in
//! `.tbss`, weak, so that another library in the same program may define it too and shares ours. It is reached by the initial-exec
//! model, which the linker of an executable turns into one store relative to the thread pointer.
//!
//! Invariants, named where they are used:
//! - **OWN WORD**: the symbol names eight aligned bytes in the thread's static block, valid as long as the thread; all accesses
//!   from this process are by the thread itself.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
macro_rules! slot {
    ($(#[$doc:meta])* $name:ident = $symbol:literal) => {
        $(#[$doc])*
        pub(crate) mod $name {
            use std::arch::{asm, global_asm};

            pub(crate) const SYMBOL: &str = $symbol;

            global_asm!(concat!(
                ".pushsection .tbss.", $symbol, ",\"awT\",@nobits\n",
                ".weak ", $symbol, "\n",
                ".type ", $symbol, ", @object\n",
                ".size ", $symbol, ", 8\n",
                ".p2align 3\n",
                $symbol, ":\n",
                ".zero 8\n",
                ".popsection\n",
            ));

            /// Stores this thread's pointer. Nothing before it is moved behind it, nor the reverse: the compiler takes the assembly
            /// to read and write any memory.
            #[inline(always)]
            pub(crate) fn set(value: *const u8) {
                // SAFETY: OWN WORD; the assembly writes that word and the named register, and nothing else.
                #[cfg(target_arch = "x86_64")]
                unsafe {
                    asm!(
                        concat!("mov {at}, qword ptr [rip + ", $symbol, "@GOTTPOFF]"),
                        "mov qword ptr fs:[{at}], {value}",
                        at = out(reg) _,
                        value = in(reg) value,
                        options(nostack, preserves_flags),
                    );
                }
                // SAFETY: as above.
                #[cfg(target_arch = "aarch64")]
                unsafe {
                    asm!(
                        "mrs {thread}, tpidr_el0",
                        concat!("adrp {at}, :gottprel:", $symbol),
                        concat!("ldr {at}, [{at}, #:gottprel_lo12:", $symbol, "]"),
                        "str {value}, [{thread}, {at}]",
                        thread = out(reg) _,
                        at = out(reg) _,
                        value = in(reg) value,
                        options(nostack, preserves_flags),
                    );
                }
            }

            /// This thread's pointer.
            #[inline]
            pub(crate) fn get() -> *const u8 {
                let value: *const u8;
                // SAFETY: OWN WORD; the assembly reads that word and writes the named register.
                #[cfg(target_arch = "x86_64")]
                unsafe {
                    asm!(
                        concat!("mov {at}, qword ptr [rip + ", $symbol, "@GOTTPOFF]"),
                        "mov {at}, qword ptr fs:[{at}]",
                        at = out(reg) value,
                        options(nostack, preserves_flags, readonly),
                    );
                }
                // SAFETY: as above.
                #[cfg(target_arch = "aarch64")]
                unsafe {
                    asm!(
                        "mrs {thread}, tpidr_el0",
                        concat!("adrp {at}, :gottprel:", $symbol),
                        concat!("ldr {at}, [{at}, #:gottprel_lo12:", $symbol, "]"),
                        "ldr {at}, [{thread}, {at}]",
                        thread = out(reg) _,
                        at = out(reg) value,
                        options(nostack, preserves_flags, readonly),
                    );
                }
                value
            }
        }
    };
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
macro_rules! slot {
    ($(#[$doc:meta])* $name:ident = $symbol:literal) => {
        $(#[$doc])*
        pub(crate) mod $name {
            pub(crate) const SYMBOL: &str = $symbol;
            pub(crate) fn set(_value: *const u8) {}
            pub(crate) fn get() -> *const u8 {
                std::ptr::null()
            }
        }
    };
}

/// Whether the symbols exist on this platform.
pub(crate) const SUPPORTED: bool = cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")));

#[cfg(feature = "otel-thread-ctx")]
slot! {
    /// OTEP 4947: points to the thread context record.
    otel = "otel_thread_ctx_v1"
}

#[cfg(feature = "custom-labels")]
slot! {
    /// Custom-labels ABI, version 1: points to the label set.
    custom = "custom_labels_current_set"
}

/// The symbol that tells the version of the custom-labels ABI.
#[cfg(feature = "custom-labels")]
pub(crate) const VERSION: &str = "custom_labels_abi_version";

#[cfg(all(feature = "custom-labels", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
std::arch::global_asm!(
    ".pushsection .rodata.custom_labels_abi_version,\"a\",@progbits",
    ".weak custom_labels_abi_version",
    ".type custom_labels_abi_version, @object",
    ".size custom_labels_abi_version, 4",
    ".p2align 2",
    "custom_labels_abi_version:",
    ".long 1",
    ".popsection",
);

/// The version of the custom-labels ABI that this program tells.
#[cfg(all(feature = "custom-labels", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn version() -> u32 {
    unsafe extern "C" {
        static custom_labels_abi_version: u32;
    }
    // SAFETY: whoever defines the symbol, by its ABI it is four constant bytes.
    unsafe { (&raw const custom_labels_abi_version).read_volatile() }
}

#[cfg(all(
    feature = "custom-labels",
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))
))]
pub(crate) fn version() -> u32 {
    1
}
