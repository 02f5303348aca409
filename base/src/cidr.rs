//! Address ranges: `10.0.0.0/8`, `2001:db8::/32`, single addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    /// The address, with the bits that do not count cleared.
    address: IpAddr,
    prefix: u8,
}

/// What [`Cidr::parse`] read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedCidr {
    /// The range.
    pub cidr: Cidr,
    /// Whether bits had to be cleared: nginx warns `low address bits of ... are meaningless`.
    pub low_bits: bool,
}

impl Cidr {
    /// The range of `prefix` leading bits of `address`; more bits than it has are all its bits.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        match address {
            IpAddr::V4(v4) => {
                let prefix = prefix.min(32);
                let bits = v4.to_bits() & mask_v4(prefix);
                Self {
                    address: Ipv4Addr::from_bits(bits).into(),
                    prefix,
                }
            }
            IpAddr::V6(v6) => {
                let prefix = prefix.min(128);
                let bits = v6.to_bits() & mask_v6(prefix);
                Self {
                    address: Ipv6Addr::from_bits(bits).into(),
                    prefix,
                }
            }
        }
    }

    /// Reads `ADDRESS` or `ADDRESS/BITS`; `None` for anything else, even a mask in dots.
    ///
    /// Source: `ngx_ptocidr()`, nginx 1.31.5. Unlike there, an octet cannot be left empty
    /// (`10...1`) or begin with a zero, which some systems read as octal.
    #[must_use]
    pub fn parse(text: &str) -> Option<ParsedCidr> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match bits {
            Some(bits) if !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().ok().filter(|&prefix| prefix <= width)?
            }
            Some(_) => return None,
            None => width,
        };
        let cidr = Self::new(address, prefix);
        Some(ParsedCidr {
            cidr,
            low_bits: cidr.address != address,
        })
    }

    /// Whether `address` is in the range. An IPv4 address mapped into IPv6 (`::ffff:10.1.2.3`)
    /// is taken as the IPv4 address that it is, unless the range is of IPv6 and has it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()) & mask_v4(self.prefix) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()) & mask_v6(self.prefix) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(theirs)) => theirs
                .to_ipv4_mapped()
                .is_some_and(|theirs| self.contains(theirs.into())),
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// The first address of the range.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The last address of the range.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() | !mask_v4(self.prefix)).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() | !mask_v6(self.prefix)).into(),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn mask_v4(prefix: u8) -> u32 {
    // A shift by the whole width has no result: nothing counts then.
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, bool)>) {
        let parsed = Cidr::parse(text).map(|parsed| (parsed.cidr.to_string(), parsed.low_bits));
        let expected = expected.map(|(text, low_bits)| (text.to_owned(), low_bits));
        assert_eq!(parsed, expected, "{text}");
    }

    #[test]
    fn parses_ranges_and_addresses() {
        check("10.0.0.0/8", Some(("10.0.0.0/8", false)));
        check("10.1.2.3/8", Some(("10.0.0.0/8", true)));
        check("10.1.2.3", Some(("10.1.2.3/32", false)));
        check("1.2.3.4/0", Some(("0.0.0.0/0", true)));
        check("2001:db8::/32", Some(("2001:db8::/32", false)));
        check("2001:db8::1/33", Some(("2001:db8::/33", true)));
        check("::1", Some(("::1/128", false)));
        check("::/0", Some(("::/0", false)));
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/255.0.0.0",
            "::/129",
            "::1%lo",
            "[::1]",
            "a",
            "10.0.0.256",
            "10...1",
            "/8",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn contains_its_first_and_last_address_only() {
        for text in [
            "10.0.0.0/8",
            "10.1.2.3",
            "0.0.0.0/0",
            "2001:db8::/33",
            "::1",
            "::/0",
        ] {
            let cidr = Cidr::parse(text).unwrap().cidr;
            assert!(
                cidr.contains(cidr.address()) && cidr.contains(cidr.last()),
                "{text}"
            );
        }
        let cidr = Cidr::parse("10.0.0.0/9").unwrap().cidr;
        for (address, inside) in [
            ("10.127.255.255", true),
            ("10.128.0.0", false),
            ("9.255.255.255", false),
            ("::ffff:10.0.0.1", true),
            ("::ffff:10.128.0.1", false),
            ("::1", false),
        ] {
            assert_eq!(cidr.contains(address.parse().unwrap()), inside, "{address}");
        }
        assert!(
            !Cidr::parse("::/0")
                .unwrap()
                .cidr
                .contains("10.0.0.1".parse().unwrap())
        );
    }
}
