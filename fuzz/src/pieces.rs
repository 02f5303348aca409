//! Where to cut an input: as the input itself says, so that a case can be replayed.

/// Ends of pieces of `bytes`, ascending, the last one its length. Few of them are chosen, from
/// what is in `bytes`; every input gets other ones.
pub(crate) fn cuts(bytes: &[u8]) -> Vec<usize> {
    let length = bytes.len();
    let mut seed = bytes.iter().fold(length, |sum, &byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    let mut cuts = Vec::new();
    for _ in 0..seed % 5 + 1 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        cuts.push((seed >> 33) % (length + 1));
    }
    cuts.push(length);
    cuts.sort_unstable();
    cuts
}

/// `bytes` in pieces.
pub(crate) fn of(bytes: &[u8]) -> Vec<&[u8]> {
    let mut start = 0;
    let piece = |end| {
        let piece = &bytes[start..end];
        start = end;
        piece
    };
    cuts(bytes).into_iter().map(piece).collect()
}
