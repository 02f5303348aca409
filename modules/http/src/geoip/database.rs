//! Legacy GeoIP databases (`.dat`).
//!
//! A binary tree over the bits of an address, of which a node is two records of three or four
//! bytes, least significant first. A record below the number of nodes is another node, all others
//! are leaves: the number of a country, or where behind the tree a name or a place stands. What
//! kind of database it is says a structure at the end of the file, behind three bytes 255.
//!
//! Files are those of the operator, and may be cut short or worse. All that can be reached is
//! looked at once, when the file is read; no lookup takes more steps than an address has bits.
//!
//! Source: the format as libGeoIP 1.6 reads it.

use super::countries::{self, Country};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// What a database tells of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its country.
    Country,
    /// Whose it is: an organisation, a provider, a domain, an autonomous system.
    Name,
    /// Where it is.
    City,
}

/// An edition: what its number in a file means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edition {
    kind: Kind,
    /// Whether addresses have 128 bits.
    is_v6: bool,
    /// Bytes of a record.
    record_len: usize,
}

impl Edition {
    /// The edition of a number, where it is one that variables can be taken from.
    fn of(number: u8) -> Option<Self> {
        let (kind, is_v6, record_len) = match number {
            1 => (Kind::Country, false, 3),
            12 => (Kind::Country, true, 3),
            2 | 6 => (Kind::City, false, 3),
            30 | 31 => (Kind::City, true, 3),
            4 | 5 | 11 => (Kind::Name, false, 4),
            22..=24 => (Kind::Name, true, 4),
            9 => (Kind::Name, false, 3),
            21 => (Kind::Name, true, 3),
            _ => return None,
        };
        Some(Self {
            kind,
            is_v6,
            record_len,
        })
    }
}

/// Editions of cities that have metropolitan and area codes.
const WITH_AREA_CODES: [u8; 2] = [2, 30];

/// What the numbers of countries begin behind, in the trees of countries.
const COUNTRY_BEGIN: u32 = 16_776_960;

/// How far from the end of a file its structure may begin, in bytes.
const STRUCTURE_MAX: usize = 20;

/// Longest name of an organisation, region, city or postal code, in bytes, as libGeoIP has it.
pub const TEXT_MAX: usize = 300;

/// Why a file is no database that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is shorter than its structure says, or than any database.
    Truncated,
    /// Something in its tree leads out of it.
    Broken,
    /// It is a database of this number, from which no variable is taken.
    Edition(u8),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the file is truncated"),
            Self::Broken => f.write_str("the file is corrupt"),
            Self::Edition(number) => write!(f, "type:{number}"),
        }
    }
}

/// A database in memory.
#[derive(Debug)]
pub struct Database {
    bytes: Vec<u8>,
    number: u8,
    edition: Edition,
    /// Where leaves begin.
    leaves: u32,
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place<'d> {
    /// The country.
    pub country: &'static Country,
    /// The code of the region, within the country.
    pub region: &'d [u8],
    /// The city in ISO 8859-1.
    pub city: &'d [u8],
    /// The postal code.
    pub postal_code: &'d [u8],
    /// Degrees north.
    pub latitude: f32,
    /// Degrees east.
    pub longitude: f32,
    /// The metropolitan code, of the United States only.
    pub dma_code: u32,
    /// The telephone's area code, of the United States only.
    pub area_code: u32,
}

impl Database {
    /// Takes a file's bytes for a database.
    ///
    /// # Errors
    ///
    /// They are none, or one that is of no use.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, Invalid> {
        let (number, rest) = structure(&bytes);
        let edition = Edition::of(number).ok_or(Invalid::Edition(number))?;
        let leaves = match edition.kind {
            Kind::Country => COUNTRY_BEGIN,
            Kind::Name | Kind::City => number_at(rest, 0, 3).ok_or(Invalid::Truncated)?,
        };
        let database = Self {
            number,
            edition,
            leaves,
            bytes,
        };
        database.check()?;
        Ok(database)
    }

    /// The number of its edition.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// What it tells.
    pub fn kind(&self) -> Kind {
        self.edition.kind
    }

    /// The country of `address`; of `None`, that of what has no address.
    pub fn country(&self, address: Option<IpAddr>) -> Option<&'static Country> {
        let number = self.leaf(address)?.checked_sub(COUNTRY_BEGIN)?;
        let number = usize::try_from(number).ok().filter(|number| *number > 0)?;
        countries::by_number(number).filter(|_| self.edition.kind == Kind::Country)
    }

    /// Whose `address` is, in ISO 8859-1.
    pub fn name(&self, address: Option<IpAddr>) -> Option<&[u8]> {
        if self.edition.kind != Kind::Name {
            return None;
        }
        let mut rest = self.behind_tree(self.leaf(address)?)?;
        text(&mut rest)
    }

    /// Where `address` is.
    pub fn place(&self, address: Option<IpAddr>) -> Option<Place<'_>> {
        if self.edition.kind != Kind::City {
            return None;
        }
        let (&country, mut rest) = self.behind_tree(self.leaf(address)?)?.split_first()?;
        let country = countries::by_number(country.into())?;
        let region = text(&mut rest)?;
        let city = text(&mut rest)?;
        let postal_code = text(&mut rest)?;
        let latitude = degrees(number_at(rest, 0, 3)?);
        let longitude = degrees(number_at(rest, 3, 3)?);
        let codes = if WITH_AREA_CODES.contains(&self.number) && country.code == "US" {
            number_at(rest, 6, 3)?
        } else {
            0
        };
        Some(Place {
            country,
            region,
            city,
            postal_code,
            latitude,
            longitude,
            dma_code: codes / 1000,
            area_code: codes % 1000,
        })
    }

    /// The leaf that the bits of an address lead to.
    fn leaf(&self, address: Option<IpAddr>) -> Option<u32> {
        let (bits, len) = self.bits(address);
        let mut node = 0;
        for shift in (0..len).rev() {
            let side = usize::from(bits >> shift & 1 == 1);
            node = self.record(node, side)?;
            if node >= self.leaves {
                return Some(node);
            }
        }
        None
    }

    /// An address as this database counts: what has none of the wanted kind is 255.255.255.255
    /// where addresses have 32 bits, and `::` where they have 128.
    fn bits(&self, address: Option<IpAddr>) -> (u128, u32) {
        if self.edition.is_v6 {
            let bits = match address {
                None => 0,
                Some(IpAddr::V4(address)) => address.to_ipv6_mapped().to_bits(),
                Some(IpAddr::V6(address)) => address.to_bits(),
            };
            return (bits, 128);
        }
        let address = match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => address,
            Some(IpAddr::V6(_)) | None => Ipv4Addr::BROADCAST,
        };
        (address.to_bits().into(), 32)
    }

    /// The record on a side of a node.
    fn record(&self, node: u32, side: usize) -> Option<u32> {
        let len = self.edition.record_len;
        let at = usize::try_from(node).ok()?.checked_mul(2)?;
        number_at(&self.bytes, at.checked_add(side)?.checked_mul(len)?, len)
    }

    /// What stands behind the tree for a leaf; `None` for that of addresses without any.
    fn behind_tree(&self, leaf: u32) -> Option<&[u8]> {
        let beyond = usize::try_from(leaf.checked_sub(self.leaves)?).ok()?;
        let tree = usize::try_from(self.leaves).ok()? * 2 * self.edition.record_len;
        (beyond > 0).then_some(())?;
        self.bytes.get(tree.checked_add(beyond)?..)
    }

    /// Looks at every node that can be reached.
    fn check(&self) -> Result<(), Invalid> {
        let node_len = 2 * self.edition.record_len;
        let nodes = self.bytes.len() / node_len;
        let leaves = usize::try_from(self.leaves).unwrap_or(usize::MAX);
        if self.edition.kind != Kind::Country && nodes < leaves {
            return Err(Invalid::Truncated);
        }
        if nodes == 0 || leaves == 0 {
            return Err(Invalid::Truncated);
        }
        let mut seen = vec![0_u64; nodes / 64 + 1];
        let mut waiting = vec![0_u32];
        while let Some(node) = waiting.pop() {
            for side in 0..2 {
                let record = self.record(node, side).ok_or(Invalid::Broken)?;
                if record >= self.leaves {
                    self.check_leaf(record)?;
                    continue;
                }
                let index = usize::try_from(record).map_err(|_| Invalid::Broken)?;
                if index >= nodes {
                    return Err(Invalid::Broken);
                }
                let (word, bit) = (&mut seen[index / 64], 1 << (index % 64));
                if *word & bit == 0 {
                    *word |= bit;
                    waiting.push(record);
                }
            }
        }
        Ok(())
    }

    fn check_leaf(&self, leaf: u32) -> Result<(), Invalid> {
        let beyond = leaf - self.leaves;
        let is_there = match self.edition.kind {
            Kind::Country => countries::by_number(beyond as usize).is_some(),
            Kind::Name | Kind::City => beyond == 0 || self.behind_tree(leaf).is_some(),
        };
        is_there.then_some(()).ok_or(Invalid::Broken)
    }
}

/// The number of the edition, and what follows on it. A file without a structure has countries.
fn structure(bytes: &[u8]) -> (u8, &[u8]) {
    let last = bytes.len().saturating_sub(3);
    for at in (last.saturating_sub(STRUCTURE_MAX - 1)..=last).rev() {
        if let Some([255, 255, 255, number, rest @ ..]) = bytes.get(at..) {
            // As they were numbered until 2003.
            let number = if *number >= 106 {
                number - 105
            } else {
                *number
            };
            return (number, rest);
        }
    }
    (1, &[])
}

/// `len` bytes from `at` as a number, the least significant first.
fn number_at(bytes: &[u8], at: usize, len: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(len)?)?;
    let digits = bytes.iter().rev();
    Some(digits.fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// Takes what stands before the next zero byte off `rest`.
fn text<'d>(rest: &mut &'d [u8]) -> Option<&'d [u8]> {
    let window = &rest[..rest.len().min(TEXT_MAX + 1)];
    let end = memchr::memchr(0, window)?;
    let text = &rest[..end];
    *rest = &rest[end + 1..];
    Some(text)
}

/// Degrees, of which ten-thousandths were counted from -180 on.
#[expect(
    clippy::cast_possible_truncation,
    reason = "as precise as the format's own reader"
)]
fn degrees(counted: u32) -> f32 {
    (f64::from(counted) / 10_000.0 - 180.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(number: u32, len: usize) -> Vec<u8> {
        number.to_le_bytes()[..len].to_vec()
    }

    /// A tree of one node, which tells addresses apart by their first bit.
    fn countries(left: u32, right: u32) -> Vec<u8> {
        let records = [left, right].map(|number| bytes(COUNTRY_BEGIN + number, 3));
        [records.concat(), vec![255, 255, 255, 1]].concat()
    }

    /// The same, with what stands behind the tree; a leaf is a place in it, or 0.
    fn behind(number: u8, len: usize, leaves: [u32; 2], data: &[u8]) -> Vec<u8> {
        let records = leaves.map(|at| bytes(1 + at, len)).concat();
        // A leaf is counted from a byte before the tree's end, which belongs to nothing.
        [
            &records,
            &b"\0"[..],
            data,
            &[255, 255, 255, number],
            &bytes(1, 3),
        ]
        .concat()
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn countries_are_leaves() {
        let database = Database::parse(countries(225, 0)).unwrap();
        let code = |text| database.country(ip(text)).map(|country| country.code);
        assert_eq!(code("10.0.0.1"), Some("US"));
        assert_eq!(code("::ffff:10.0.0.1"), Some("US"));
        assert_eq!(code("200.0.0.1"), None);
        // Counts as 255.255.255.255.
        assert_eq!(code("2001:db8::1"), None);
        assert!(database.country(None).is_none());
        assert_eq!(database.kind(), Kind::Country);
    }

    #[test]
    fn names_and_places_stand_behind_the_tree() {
        let names = behind(110, 4, [1, 0], b"Example\0");
        let database = Database::parse(names).unwrap();
        assert_eq!((database.number(), database.kind()), (5, Kind::Name));
        assert_eq!(database.name(ip("10.0.0.1")), Some(&b"Example"[..]));
        assert_eq!(database.name(ip("200.0.0.1")), None);
        assert_eq!(database.place(ip("10.0.0.1")), None);

        let place = [
            b"\xe1NE\0Omaha\x0068102\0".to_vec(),
            bytes(2_212_586, 3),
            bytes(840_622, 3),
            bytes(652_402, 3),
        ];
        let database = Database::parse(behind(2, 3, [1, 0], &place.concat())).unwrap();
        let place = database.place(ip("10.0.0.1")).unwrap();
        assert_eq!(place.country.code, "US");
        assert_eq!(
            (place.region, place.city, place.postal_code),
            (&b"NE"[..], &b"Omaha"[..], &b"68102"[..])
        );
        assert_eq!(format!("{:.4}", place.latitude), "41.2586");
        assert_eq!(format!("{:.4}", place.longitude), "-95.9378");
        assert_eq!((place.dma_code, place.area_code), (652, 402));
        assert_eq!(database.place(ip("200.0.0.1")), None);
    }

    #[test]
    fn addresses_of_128_bits() {
        let mut file = countries(225, 56);
        *file.last_mut().unwrap() = 12;
        let database = Database::parse(file).unwrap();
        let code = |address| database.country(address).map(|country| country.code);
        assert_eq!(code(ip("2001:db8::1")), Some("US"));
        assert_eq!(code(ip("f000::1")), Some("DE"));
        assert_eq!(code(ip("192.0.2.1")), Some("US"));
        assert_eq!(code(None), Some("US"));
    }

    #[track_caller]
    fn check_invalid(file: &[u8], expected: Invalid) {
        assert_eq!(Database::parse(file.to_vec()).err(), Some(expected));
    }

    #[test]
    fn broken_files_are_told() {
        check_invalid(b"", Invalid::Truncated);
        check_invalid(b"\xff\xff\xff", Invalid::Truncated);
        check_invalid(b"no database at all", Invalid::Broken);
        check_invalid(b"\x05\0\0\0\0\0\xff\xff\xff\x01", Invalid::Broken);
        check_invalid(b"\0\0\0\0\0\0\xff\xff\xff\x02", Invalid::Truncated);
        check_invalid(b"\0\0\0\0\0\0\xff\xff\xff\x08", Invalid::Edition(8));
        check_invalid(&behind(2, 3, [100, 0], b"\0"), Invalid::Broken);
        let mut long = behind(2, 3, [1, 0], b"\0");
        let last = long.len() - 1;
        long[last] = 1;
        check_invalid(&long, Invalid::Truncated);
    }

    /// Nodes that lead to one another end with the bits of the address; texts that do not end
    /// have no value.
    #[test]
    fn lookups_end() {
        let mut circle = countries(0, 225);
        circle[..3].copy_from_slice(&[0, 0, 0]);
        let database = Database::parse(circle).unwrap();
        assert_eq!(database.country(ip("0.0.0.0")), None);
        assert!(database.country(ip("0.0.0.1")).is_some());

        let endless = vec![b'x'; TEXT_MAX + 2];
        let database = Database::parse(behind(5, 4, [1, 0], &endless)).unwrap();
        assert_eq!(database.name(ip("10.0.0.1")), None);
        let place = Database::parse(behind(2, 3, [1, 0], b"\xe1NE\0Om")).unwrap();
        assert_eq!(place.place(ip("10.0.0.1")), None);
    }
}
