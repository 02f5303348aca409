//! The bounds of DNS messages.

/// Longest name in its wire form, the root's zero byte included. Source: RFC 1035, 2.3.4.
pub const NAME_MAX: usize = 255;

/// Longest label. Source: RFC 1035, 2.3.4.
pub const LABEL_MAX: usize = 63;

/// Compression pointers followed in one name. Each must point further back than the one before,
/// so that this bounds cost and not loops; no encoder needs more than a few.
pub const POINTERS_MAX: usize = 16;

/// Records looked at in the answer section. At the bound: the rest is not looked at. As many A
/// records as the longest message can hold.
pub const RECORDS_MAX: usize = 4096;

/// Aliases followed within one answer. At the bound: the answer is a loop.
/// Real chains have fewer than ten; nginx follows 50.
pub const ALIASES_MAX: usize = 16;

/// Longest message over UDP that is taken. Without EDNS, which is not asked for, servers send at
/// most 512 bytes (RFC 1035, 4.2.1); nginx takes as many as this.
pub const DATAGRAM_MAX: usize = 4096;

/// Longest message over TCP: what its length field can say.
pub const MESSAGE_MAX: usize = 65_535;

/// Longest time to live believed, in seconds: a week. Source: RFC 8767, 4.
pub const TTL_MAX: u32 = 604_800;

const _: () = assert!(LABEL_MAX < NAME_MAX);
const _: () = assert!(RECORDS_MAX * 16 >= MESSAGE_MAX);
