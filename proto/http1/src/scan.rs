//! What the bytes of a head mean.

/// What a byte means in a request target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum UriByte {
    Plain,
    Slash,
    Dot,
    Percent,
    Question,
    Hash,
    Plus,
    Space,
    Cr,
    Lf,
    Bad,
}

/// By byte: its meaning in a target. Control bytes are refused, bytes from 0x80 are text.
pub(crate) const URI: [UriByte; 256] = {
    let mut table = [UriByte::Plain; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = UriByte::Bad;
        byte += 1;
    }
    table[0x7f] = UriByte::Bad;
    table[b'/' as usize] = UriByte::Slash;
    table[b'.' as usize] = UriByte::Dot;
    table[b'%' as usize] = UriByte::Percent;
    table[b'?' as usize] = UriByte::Question;
    table[b'#' as usize] = UriByte::Hash;
    table[b'+' as usize] = UriByte::Plus;
    table[b' ' as usize] = UriByte::Space;
    table[b'\r' as usize] = UriByte::Cr;
    table[b'\n' as usize] = UriByte::Lf;
    table
};

/// What a byte means in a header name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameByte {
    /// A letter, a digit or a dash.
    Plain,
    Underscore,
    Colon,
    LineEnd,
    /// Makes the name invalid; the line may still be ignored.
    Odd,
    /// Makes the request invalid.
    Bad,
}

/// By byte: its meaning in a header name.
pub(crate) const NAME: [NameByte; 256] = {
    let mut table = [NameByte::Odd; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            table[byte as usize] = NameByte::Plain;
        } else if byte <= 0x20 || byte == 0x7f {
            table[byte as usize] = NameByte::Bad;
        }
        byte += 1;
    }
    table[b'_' as usize] = NameByte::Underscore;
    table[b':' as usize] = NameByte::Colon;
    table[b'\r' as usize] = NameByte::LineEnd;
    table[b'\n' as usize] = NameByte::LineEnd;
    table
};
