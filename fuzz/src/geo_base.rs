//! Binary bases of `geo`.

use base::crc32::Crc32;
use conf::geo_base;

/// Stands for bytes of nothing, eight times the two bytes behind it; none of them is the byte itself.
const NOTHING: u8 = 0xfe;

/// Longest base that is tried, bytes.
const BASE_MAX: usize = 2 << 20;

/// Where the checksum stands, and what it is of.
const CHECKSUM: usize = 12;
const CONTENT: usize = 16;

/// Reads the input as a base. Most of any base is the table of lists, most of which is nothing: the
/// input has a short form for that. A first byte that is odd has the checksum put right.
///
/// # Panics
///
/// When a base that is taken does not read the same once it is written, or its ranges are not in
/// their order.
pub fn geo_base(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else {
        return;
    };
    let mut bytes = unfold(rest);
    if how % 2 == 1 && bytes.len() >= CONTENT {
        let checksum = Crc32::new().with(&bytes[CONTENT..]).value();
        bytes[CHECKSUM..CONTENT].copy_from_slice(&checksum.to_le_bytes());
    }
    let Ok(table) = geo_base::parse(&bytes) else {
        return;
    };
    let mut next = 0;
    for (first, last, number) in table.ranges() {
        assert!(next <= u64::from(first) && first <= last);
        next = u64::from(last) + 1;
        let value = table.values().nth(number as usize);
        assert!(value.is_some() && table.find(first) == value && table.find(last) == value);
    }
    assert_eq!(geo_base::parse(&geo_base::write(&table)), Ok(table));
}

/// The base that an input stands for.
fn unfold(mut rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match rest.split_first_chunk() {
            Some((count, behind)) if byte == NOTHING => {
                rest = behind;
                let count = usize::from(u16::from_le_bytes(*count));
                match count {
                    0 => bytes.push(byte),
                    count => bytes.resize(bytes.len() + 8 * count, 0),
                }
            }
            _ => bytes.push(byte),
        }
        if bytes.len() > BASE_MAX {
            break;
        }
    }
    bytes
}
