//! The name of this machine.

/// The host name, empty when the system does not tell it. Source: gethostname(2).
#[must_use]
pub fn name() -> Vec<u8> {
    let mut buffer = [0_u8; 256];
    // SAFETY: the pointer and the length describe `buffer`, which outlives the call.
    let outcome = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len()) };
    if outcome != 0 {
        return Vec::new();
    }
    let end = buffer
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(buffer.len());
    buffer[..end].to_vec()
}
