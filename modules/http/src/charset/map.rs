//! The charsets that a configuration names, and `charset_map`.

use super::recode::{BytePair, Table, Utf8Pair};
use engine::directive::lossy;
use engine::{Line, Refused};
use http::Bytes;
use std::rc::Rc;

/// A charset's place among those that the configuration names.
pub(super) type Index = usize;

/// Every charset that the configuration names, spelled as it was named first, and the maps
/// between them.
#[derive(Clone, Default)]
pub(super) struct Charsets {
    names: Vec<Bytes>,
    maps: Vec<Map>,
}

#[derive(Clone)]
struct Map {
    first: Index,
    second: Index,
    forth: Rc<Table>,
    back: Rc<Table>,
}

impl Charsets {
    /// The place of charset `name`, which may be new.
    pub(super) fn intern(&mut self, name: &[u8]) -> Index {
        self.find(name).unwrap_or_else(|| {
            self.names.push(Bytes::Shared(Rc::from(name)));
            self.names.len() - 1
        })
    }

    /// The place of charset `name`; case does not matter.
    pub(super) fn find(&self, name: &[u8]) -> Option<Index> {
        self.names
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))
    }

    /// The name of a charset.
    pub(super) fn name(&self, index: Index) -> Bytes {
        self.names.get(index).cloned().unwrap_or_default()
    }

    /// Whether the configuration names none.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether there is any map.
    pub(super) fn has_maps(&self) -> bool {
        !self.maps.is_empty()
    }

    /// How to recode from one charset to another.
    pub(super) fn table(&self, from: Index, to: Index) -> Option<&Rc<Table>> {
        self.maps.iter().find_map(|map| {
            if (map.first, map.second) == (from, to) {
                Some(&map.forth)
            } else {
                ((map.second, map.first) == (from, to)).then_some(&map.back)
            }
        })
    }
}

/// What is said of charsets that no map is between.
pub(super) fn no_map(from: &[u8], to: &[u8]) -> String {
    let (from, to) = (lossy(from), lossy(to));
    format!("no \"charset_map\" between the charsets \"{from}\" and \"{to}\"")
}

/// `charset_map charset1 charset2 { ... }`
pub(super) fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let (first_name, second_name) = (line.arg(0), line.arg(1));
    let shown = format!("\"{}\" and \"{}\"", lossy(first_name), lossy(second_name));
    let charsets = line.loading.shared::<Charsets>();
    let (first, second) = (charsets.intern(first_name), charsets.intern(second_name));
    if first == second {
        let message = format!("\"charset_map\" between the same charsets {shown}");
        return Err(Refused::new(message));
    }
    if is_utf8(first_name) {
        return Err(Refused::new(
            "\"charset_map\" with \"utf-8\" charset should be given in the second column",
        ));
    }
    if charsets.table(first, second).is_some() {
        let message = format!("duplicate \"charset_map\" between {shown}");
        return Err(Refused::new(message));
    }
    let (forth, back) = if is_utf8(second_name) {
        let pair = read_utf8(line.block())?;
        (Table::ToUtf8(pair.forth), Table::FromUtf8(pair.back))
    } else {
        let pair = read_bytes(line.block())?;
        (Table::Bytes(pair.forth), Table::Bytes(pair.back))
    };
    line.loading.shared::<Charsets>().maps.push(Map {
        first,
        second,
        forth: Rc::new(forth),
        back: Rc::new(back),
    });
    Ok(())
}

fn is_utf8(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"utf-8")
}

fn read_bytes(lines: &[conf::Directive]) -> Result<BytePair, Refused> {
    let mut pair = BytePair::default();
    for line in lines {
        let (first, second) = columns(line)?;
        let second_byte = hex_byte(second).ok_or_else(|| invalid(line, second))?;
        pair.add(first, second_byte);
    }
    Ok(pair)
}

fn read_utf8(lines: &[conf::Directive]) -> Result<Utf8Pair, Refused> {
    let mut pair = Utf8Pair::default();
    for line in lines {
        let (first, second) = columns(line)?;
        let bytes: Option<Vec<u8>> = second.chunks(2).map(hex_byte).collect();
        let bytes = bytes.filter(|_| second.len().is_multiple_of(2));
        if !bytes.is_some_and(|bytes| pair.add(first, &bytes)) {
            return Err(invalid(line, second));
        }
    }
    Ok(pair)
}

/// The byte in the first column, the text in the second.
fn columns(line: &conf::Directive) -> Result<(u8, &[u8]), Refused> {
    let [second] = line.args.as_slice() else {
        return Err(Refused::new("invalid parameters number").at(line.end));
    };
    let first = &line.name.text;
    let byte = hex_byte(first).ok_or_else(|| invalid(line, first))?;
    Ok((byte, &second.text))
}

fn invalid(line: &conf::Directive, word: &[u8]) -> Refused {
    Refused::new(format!("invalid value \"{}\"", lossy(word))).at(line.end)
}

/// A byte in hexadecimal digits.
fn hex_byte(text: &[u8]) -> Option<u8> {
    let is_hex = !text.is_empty() && text.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_hex)?;
    u8::from_str_radix(text, 16).ok()
}
