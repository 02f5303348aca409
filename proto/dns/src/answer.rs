//! What a server answered.

use crate::limits::{ALIASES_MAX, RECORDS_MAX, TTL_MAX};
use crate::name::Name;
use crate::query::{CLASS_IN, Kind, Query};
use crate::reader::Reader;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Types of records beside those that can be asked for.
const CNAME: u16 = 5;
const SOA: u16 = 6;

/// The answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// It did not fit: ask over TCP. There are no records then.
    pub is_truncated: bool,
    /// The response code: 0 for success, 3 for a name that does not exist (RFC 1035, 4.1.1).
    pub rcode: u16,
    /// The records of the answer section that are of a known type.
    pub records: Vec<Record>,
    /// Seconds that it may be remembered that there is nothing, where the zone says so
    /// (RFC 2308, 5).
    pub negative_ttl: Option<u32>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub name: Name,
    /// Seconds that it may be kept.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name that this one is another name of.
    Cname(Name),
    /// A server of a service (RFC 2782).
    Srv {
        /// Those of the lowest number come first.
        priority: u16,
        /// Its share among those of one priority.
        weight: u16,
        /// Its port.
        port: u16,
        /// Its name.
        target: Name,
    },
}

/// Where the aliases of a name lead to, within one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain<'a> {
    /// The last alias, which is the name itself where there is none.
    pub end: &'a Name,
    /// What was asked for, of the name at the end, in the server's order.
    pub found: Vec<&'a Data>,
    /// Seconds that all of it may be kept.
    pub ttl: u32,
}

/// Aliases that lead nowhere: a loop, or more than [`ALIASES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endless;

impl Answer {
    pub(crate) fn truncated(rcode: u16) -> Self {
        Self {
            is_truncated: true,
            rcode,
            ..Self::default()
        }
    }

    /// Reads the records, which follow the question. `None` for broken ones.
    pub(crate) fn read(mut reader: Reader<'_>, message: &[u8], rcode: u16) -> Option<Self> {
        let mut counts = Reader::new(message.get(6..12)?);
        let (answers, authorities) = (counts.u16()?, counts.u16()?);
        let mut records = Vec::new();
        for _ in 0..usize::from(answers).min(RECORDS_MAX) {
            if let Raw::Known(record) = read_record(&mut reader)? {
                records.push(record);
            }
        }
        let mut negative_ttl = None;
        if records.is_empty() && usize::from(answers) < RECORDS_MAX {
            // Beside the point where it is broken: nothing is remembered then.
            for _ in 0..usize::from(authorities).min(RECORDS_MAX) {
                match read_record(&mut reader) {
                    Some(Raw::Authority(ttl)) => negative_ttl = Some(ttl),
                    Some(_) => {}
                    None => break,
                }
            }
        }
        Some(Self {
            is_truncated: false,
            rcode,
            records,
            negative_ttl,
        })
    }

    /// Follows the aliases of the name that `query` asks for, in whatever order they came.
    /// Records of names that they do not lead to are left out.
    ///
    /// # Errors
    ///
    /// [`Endless`].
    pub fn chain<'a>(&'a self, query: &'a Query) -> Result<Chain<'a>, Endless> {
        let mut end = &query.name;
        let mut ttl = TTL_MAX;
        for _ in 0..=ALIASES_MAX {
            let of_end = || self.records.iter().filter(|record| record.name == *end);
            let found = of_end().filter(|record| record.data.is(query.kind));
            ttl = found.clone().fold(ttl, |ttl, record| ttl.min(record.ttl));
            let found: Vec<_> = found.map(|record| &record.data).collect();
            let alias = of_end().find_map(|record| match &record.data {
                Data::Cname(target) => Some((target, record.ttl)),
                _ => None,
            });
            match alias {
                Some((target, alias_ttl)) if found.is_empty() => {
                    end = target;
                    ttl = ttl.min(alias_ttl);
                }
                _ => return Ok(Chain { end, found, ttl }),
            }
        }
        Err(Endless)
    }
}

impl Data {
    /// Whether it is what `kind` asks for.
    fn is(&self, kind: Kind) -> bool {
        match self {
            Self::A(_) => kind == Kind::A,
            Self::Aaaa(_) => kind == Kind::Aaaa,
            Self::Srv { .. } => kind == Kind::Srv,
            Self::Cname(_) => false,
        }
    }
}

enum Raw {
    Known(Record),
    /// Seconds that nothing may be remembered for.
    Authority(u32),
    Other,
}

fn read_record(reader: &mut Reader<'_>) -> Option<Raw> {
    let name = reader.name()?;
    let kind = reader.u16()?;
    let class = reader.u16()?;
    let ttl = believable(reader.u32()?);
    let len = usize::from(reader.u16()?);
    let mut data = reader.part(len)?;
    if class != CLASS_IN {
        return Some(Raw::Other);
    }
    let said = match kind {
        _ if kind == Kind::A as u16 => Data::A(data.u32()?.into()),
        _ if kind == Kind::Aaaa as u16 => {
            let octets: [u8; 16] = *data.bytes(16)?.first_chunk()?;
            Data::Aaaa(octets.into())
        }
        CNAME => Data::Cname(data.name()?),
        _ if kind == Kind::Srv as u16 => Data::Srv {
            priority: data.u16()?,
            weight: data.u16()?,
            port: data.u16()?,
            target: data.name()?,
        },
        SOA => {
            data.name()?;
            data.name()?;
            data.bytes(16)?;
            return Some(Raw::Authority(ttl.min(believable(data.u32()?))));
        }
        _ => return Some(Raw::Other),
    };
    // What is longer than its type allows is not what it says it is.
    data.is_at_end().then_some(Raw::Known(Record {
        name,
        ttl,
        data: said,
    }))
}

/// A time to live that the highest bit makes negative is none. Source: RFC 2181, 8.
fn believable(ttl: u32) -> u32 {
    if ttl > i32::MAX.unsigned_abs() {
        0
    } else {
        ttl.min(TTL_MAX)
    }
}
