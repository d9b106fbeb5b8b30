//! Owns the loading of a library in the course of a test, which only `unsafe` can do.
#![allow(unsafe_code)]

use std::ffi::CStr;

/// The address of a function of a library of the system, which stays loaded.
pub(crate) fn function(library: &CStr, name: &CStr) -> usize {
    // SAFETY: a name that ends in zero; what the C library's own parts run when loaded is sound.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW) };
    assert!(!handle.is_null(), "{library:?} does not load");
    // SAFETY: an open handle, and a name that ends in zero.
    let function = unsafe { libc::dlsym(handle, name.as_ptr()) };
    assert!(!function.is_null(), "{name:?} is not there");
    function as usize
}
