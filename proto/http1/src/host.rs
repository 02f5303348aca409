//! Host names of requests, by nginx's rules since 1.29.4.

use std::borrow::Cow;

/// A valid host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// Lower case, without port and final dot. An address literal keeps its brackets.
    pub name: Cow<'a, [u8]>,
    /// The port, unless there is none or it is 0.
    pub port: Option<u16>,
}

/// Something in a host is not allowed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHost;

/// Checks and normalises the value of `Host`, or the authority of a target.
///
/// # Errors
///
/// [`InvalidHost`] for an empty name, two dots in a row, a byte outside of RFC 3986's
/// `reg-name`, an address literal without its end, or a port that is no number up to 65535.
///
/// Source: `ngx_http_validate_host()`, nginx 1.31.5; RFC 3986 section 3.2.2.
pub fn validate_host(value: &[u8]) -> Result<Host<'_>, InvalidHost> {
    let in_brackets = value.first() == Some(&b'[');
    let (name_end, has_upper) = if in_brackets {
        let (inside, has_upper) = run(&value[1..], IN_LITERAL)?;
        if value.get(1 + inside) != Some(&b']') {
            return Err(InvalidHost);
        }
        (inside + b"[]".len(), has_upper)
    } else {
        run(value, IN_NAME)?
    };
    let (name, rest) = value.split_at_checked(name_end).ok_or(InvalidHost)?;
    let port = match rest {
        [] => 0,
        [b':', digits @ ..] => parse_port(digits)?,
        _ => return Err(InvalidHost),
    };
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() {
        return Err(InvalidHost);
    }
    Ok(Host {
        name: if has_upper {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            Cow::Borrowed(name)
        },
        port: (port != 0).then_some(port),
    })
}

/// Flags of a byte: where it may be, whether it must be changed, and the dot.
const IN_NAME: u8 = 1;
const IN_LITERAL: u8 = 2;
const UPPER: u8 = 4;
const DOT: u8 = 8;

/// RFC 3986 `reg-name`, without a look at what follows a `%`, and what is between brackets.
const FLAGS: [u8; 256] = {
    const BOTH: &[u8] = b"-._~!$&'()*+,;=";

    let mut flags = [0; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        if byte.is_ascii_uppercase() {
            flags[byte as usize] = IN_NAME | IN_LITERAL | UPPER;
        } else if byte.is_ascii_alphanumeric() {
            flags[byte as usize] = IN_NAME | IN_LITERAL;
        }
        byte += 1;
    }
    let mut at = 0;
    while at < BOTH.len() {
        flags[BOTH[at] as usize] = IN_NAME | IN_LITERAL;
        at += 1;
    }
    flags[b'.' as usize] |= DOT;
    flags[b'%' as usize] = IN_NAME;
    flags[b':' as usize] = IN_LITERAL;
    flags
};

/// How many bytes of `bytes` are allowed in `place`, and whether upper-case letters are among
/// them. Two dots in a row are allowed nowhere.
fn run(bytes: &[u8], place: u8) -> Result<(usize, bool), InvalidHost> {
    let mut seen = 0;
    let mut before = 0;
    for (length, byte) in bytes.iter().enumerate() {
        let flags = FLAGS[usize::from(*byte)];
        if flags & place == 0 {
            return Ok((length, seen & UPPER != 0));
        }
        if flags & before & DOT != 0 {
            return Err(InvalidHost);
        }
        seen |= flags;
        before = flags;
    }
    Ok((bytes.len(), seen & UPPER != 0))
}

/// A port; nothing after the colon is no port.
fn parse_port(digits: &[u8]) -> Result<u16, InvalidHost> {
    digits.iter().try_fold(0u16, |port, &byte| {
        if !byte.is_ascii_digit() {
            return Err(InvalidHost);
        }
        let shifted = port.checked_mul(10).ok_or(InvalidHost)?;
        shifted
            .checked_add(u16::from(byte - b'0'))
            .ok_or(InvalidHost)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<(&str, Option<u16>)>) {
        let host = validate_host(value.as_bytes()).ok();
        let found = host.map(|host| {
            (
                String::from_utf8(host.name.into_owned()).unwrap(),
                host.port,
            )
        });
        let expected = expected.map(|(name, port)| (name.to_owned(), port));
        assert_eq!(found, expected, "{value:?}");
    }

    #[test]
    fn takes_names_addresses_and_ports() {
        check("example.com", Some(("example.com", None)));
        check("Example.COM.:8080", Some(("example.com", Some(8080))));
        check("a:", Some(("a", None)));
        check("a:0", Some(("a", None)));
        check("a:065535", Some(("a", Some(65535))));
        check(".a", Some((".a", None)));
        check("[::1]", Some(("[::1]", None)));
        check("[FE80::1]:443", Some(("[fe80::1]", Some(443))));
        check("a_b~!$&'()*+,;=%zz", Some(("a_b~!$&'()*+,;=%zz", None)));
        check("[v1.x-y]", Some(("[v1.x-y]", None)));
    }

    #[test]
    fn refuses_what_is_no_host() {
        for value in [
            "", ".", ":80", "a..b", "a b", "a/b", "a\\b", "u@h", "a#", "a?", "a\u{e9}", "a\0",
            "a\t", "[::1", "[::1]x", "[::1]:x", "[a%25]", "[a..b]", "a:65536", "a:8x", "a:-1",
            "a:80:90", "a[b]", "\"a\"", "a|b", "<a>",
        ] {
            check(value, None);
        }
    }
}
