//! Random bytes from the kernel.

/// `N` random bytes. Source: getrandom(2), which does not fail for so few once the system is
/// up; should it, the bytes are what the clock and the process number give.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    // SAFETY: the pointer and the length describe `bytes`, which outlives the call.
    let count = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), N, 0) };
    if usize::try_from(count) != Ok(N) {
        let seed = u64::from(std::process::id()) ^ crate::clock::monotonic_ns();
        for (byte, seed) in bytes.iter_mut().zip(seed.to_le_bytes().iter().cycle()) {
            *byte ^= seed;
        }
    }
    bytes
}
