//! Tests of binary bases.

use super::*;

fn table(ranges: &[(u32, u32, &str)]) -> RangeTable {
    let mut table = RangeTable::default();
    for &(first, last, value) in ranges {
        let known = table.values().position(|known| known == value.as_bytes());
        let number = known.map_or_else(
            || table.add_value(value.as_bytes()),
            |at| u32::try_from(at).unwrap(),
        );
        table.push(first, last, number).unwrap();
    }
    table
}

fn example() -> RangeTable {
    table(&[
        (0, 0, "first"),
        (0x0a00_0000, 0x0a00_00ff, "ten, and more than eight bytes"),
        (0x0a00_0100, 0x0a00_ffff, ""),
        (0x0a01_0000, 0x0a01_0000, "eight___"),
        (0xffff_0000, 0xffff_ffff, "first"),
    ])
}

/// The same with another checksum.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = Crc32::new().with(&bytes[HEADER..]).value();
    bytes[MAGIC.len()..HEADER].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The same with `bytes` at `at`.
fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut base = write(&example());
    base[at..at + bytes.len()].copy_from_slice(bytes);
    resealed(base)
}

#[test]
fn what_is_written_reads_the_same() {
    for table in [RangeTable::default(), example()] {
        assert_eq!(parse(&write(&table)), Ok(table));
    }
}

/// The bytes that nginx writes, but for the order of values.
#[test]
fn the_layout_is_nginx_s() {
    let base = write(&table(&[(0x0001_0002, 0x0001_0304, "US")]));
    let lists = HEADER + 24 + VALUE;
    assert_eq!(base.len(), lists + LISTS * 8 + 16 + 8);
    assert_eq!(&base[..12], b"GEORNG\0\x08\x78\x56\x34\x12");
    assert_eq!(base[16..24], 0x1000_0002_u64.to_le_bytes());
    assert_eq!(base[24..32], 32_u64.to_le_bytes());
    assert_eq!(&base[32..40], b"US\0\0\0\0\0\0");
    assert_eq!(base[40..lists + 8], [0; 24]);
    let list = (lists + LISTS * 8) as u64;
    assert_eq!(base[lists + 8..lists + 16], list.to_le_bytes());
    let range = &base[lists + LISTS * 8..];
    assert_eq!(range[..8], 16_u64.to_le_bytes());
    assert_eq!(range[8..16], [2, 0, 4, 3, 0, 0, 0, 0]);
    assert_eq!(range[16..], [0; 8]);
}

#[test]
fn a_changed_or_cut_base_is_noticed() {
    let base = write(&example());
    // Of the header, the values, the table of lists and the ranges.
    let ends = (0..17)
        .chain([24, 33, 40, 90])
        .chain(base.len() - 60..base.len());
    for at in ends.chain((300..base.len()).step_by(60_001)) {
        let mut changed = base.clone();
        changed[at] ^= 0x10;
        let fault = if at < MAGIC.len() {
            Fault::Incompatible
        } else {
            Fault::Checksum
        };
        assert_eq!(parse(&changed), Err(fault), "{at}");
    }
    for len in (0..60).chain((60..base.len()).step_by(60_011)) {
        assert!(parse(&base[..len]).is_err(), "{len}");
        assert_eq!(
            parse(&resealed(base[..len.max(HEADER)].to_vec())),
            Err(Fault::Incompatible)
        );
    }
    let mut longer = base;
    longer.extend([0; 8]);
    assert_eq!(parse(&resealed(longer)), Err(Fault::Incompatible));
}

/// A checksum is no proof: whoever can write the file can write that as well.
#[test]
fn no_offset_leads_astray() {
    let base = write(&example());
    let lists = base.len() - LISTS * 8 - 5 * 16 - 4 * 8;
    let ranges = lists + LISTS * 8;
    let word = |value: u64| value.to_le_bytes();
    let astray = [
        ("a value too long", 16, word(0x1fff_ffff)),
        ("a value without its flag", 16, word(5)),
        ("a value that was not found", 16, word(0x4000_0005)),
        ("a text elsewhere", 24, word(40)),
        ("a text outside", 24, word(u64::MAX)),
        ("a list elsewhere", lists, word(ranges as u64 + 8)),
        ("a list outside", lists, word(1 << 40)),
        ("a list twice", lists + 8, word(ranges as u64)),
        ("a list left out", lists, word(0)),
        ("a value within a value", ranges, word(24)),
        ("a value at no word", ranges, word(17)),
        ("a value in the header", ranges, word(8)),
        ("a value outside", ranges, word(u64::MAX)),
        ("what is no value", ranges, word(lists as u64)),
        ("an empty list", ranges, word(0)),
        ("a range that ends first", ranges + 8, word(1)),
        (
            "a range before the last",
            ranges + 24 + 24,
            word(0x0010_0000),
        ),
    ];
    for (what, at, bytes) in astray {
        assert_eq!(parse(&with(at, &bytes)), Err(Fault::Incompatible), "{what}");
    }
    assert_eq!(parse(&with(16, &base[16..24])), Ok(example()));
}
