//! Recoding of text.

use crate::pieces;
use http_modules::pure::recode::{BytePair, Recoder, Table, Utf8Pair};

/// Recodes a body in four ways, at once and in pieces.
///
/// # Panics
///
/// When the pieces matter, what comes out is not of its charset, or does not lead back.
pub fn charset(data: &[u8]) {
    let (bytes, utf8) = (byte_pair(), utf8_pair());
    let cuts = pieces::cuts(data);
    let in_pieces = |table: &Table| {
        let whole = recode(table, data, &[data.len()]);
        assert_eq!(whole, recode(table, data, &cuts), "in pieces");
        whole
    };
    for table in [bytes.forth, bytes.back] {
        assert_eq!(in_pieces(&Table::Bytes(table)).len(), data.len());
    }
    let to_utf8 = Table::ToUtf8(utf8.forth);
    let from_utf8 = Table::FromUtf8(utf8.back);
    let text = in_pieces(&to_utf8);
    assert!(std::str::from_utf8(&text).is_ok(), "{text:?}");
    // All 256 bytes are characters there, so nothing is lost.
    assert_eq!(recode(&from_utf8, &text, &[text.len()]), data);
    let single = in_pieces(&from_utf8);
    assert!(single.len() <= data.len() * "&#1114111;".len());
}

/// A table in which each byte from 0x80 is its neighbour.
fn byte_pair() -> BytePair {
    let mut pair = BytePair::default();
    for byte in 0x80..=0xff {
        pair.add(byte, byte ^ 1);
    }
    pair
}

/// A table in which each byte from 0x80 is a Cyrillic character.
fn utf8_pair() -> Utf8Pair {
    let mut pair = Utf8Pair::default();
    for (byte, character) in (0x80..=0xff).zip('\u{400}'..) {
        let mut utf8 = [0; 4];
        let utf8 = character.encode_utf8(&mut utf8);
        assert!(pair.add(byte, utf8.as_bytes()));
    }
    pair
}

fn recode(table: &Table, data: &[u8], cuts: &[usize]) -> Vec<u8> {
    let (mut recoder, mut out, mut at) = (Recoder::default(), Vec::new(), 0);
    for &cut in cuts {
        recoder.recode(table, &data[at..cut], &mut out);
        at = cut;
    }
    out
}
