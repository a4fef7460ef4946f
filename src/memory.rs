//! How the system's allocator keeps what is freed.
//!
//! glibc gives every thread memory of its own to take from, and what one has freed is of no use to another: with as many as it would
//! make, the peak of a first build is a fifth higher and that of a night a quarter, and neither is faster.

/// Has all threads share two such places. For the program, before it starts threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn share() {
    // SAFETY: it sets a number of the allocator and touches no memory of ours; where it is refused, all stays as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn share() {}
