//! How the system's allocator keeps what is freed: glibc's, elsewhere it is left as it is.
//!
//! glibc gives every thread memory of its own to take from, and what one has freed is of no use to another: with as many as it would
//! make, the peak of a first build is a fifth higher and that of a night a quarter, and neither is faster. And it keeps large pieces to
//! use them again, which is what makes reading a year fast, and leaves gaps between what stays.

/// Has all threads share two places to take from. For the program, before it starts threads.
pub(crate) fn share() {
    set(Parameter::Arenas, 2);
}

/// Gives pieces of more than 128 KiB back at once from now on: for a run that reads something unusually large, and little else.
pub(crate) fn give_back() {
    set(Parameter::LargestKept, 1 << 17);
}

#[derive(Clone, Copy)]
enum Parameter {
    Arenas,
    LargestKept,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn set(parameter: Parameter, value: i32) {
    let parameter = match parameter {
        Parameter::Arenas => libc::M_ARENA_MAX,
        Parameter::LargestKept => libc::M_MMAP_THRESHOLD,
    };
    // SAFETY: it sets a number of the allocator and touches no memory of ours; where it is refused, all stays as it was.
    unsafe {
        libc::mallopt(parameter, value);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn set(_: Parameter, _: i32) {}
