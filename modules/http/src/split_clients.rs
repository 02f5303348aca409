//! `split_clients`: clients are split into groups of given sizes by a hash of some text.
//!
//! The hash is nginx's, so that a client stays in its group when a site moves here.
//!
//! Source: nginx documentation, ngx_http_split_clients_module.

use crate::map::variable_name;
use base::units;
use engine::directive::{block, lossy};
use engine::{Arity, Contexts, Directive, Line, Refused, Slot, inherit_fields};
use http::variable::{Caching, define};
use http::{Bytes, Module, Request};
use std::rc::Rc;

/// Nothing to keep: the directive defines a variable.
#[derive(Clone, Default)]
struct Settings {}

inherit_fields!(Settings {});

const DIRECTIVES: &[Directive<Settings>] = &[block(
    "split_clients",
    Contexts::HTTP,
    Arity::TWO,
    |_, line| read(line),
)];

static SETTINGS: Slot<Settings> = Slot::main(DIRECTIVES);

/// Groups of clients.
pub(crate) static MODULE: Module = Module {
    name: "split_clients",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

/// All, in hundredths of a percent.
const WHOLE: u64 = 10_000;

/// A group: the hashes below a limit that no group before it took.
#[derive(Debug, PartialEq)]
struct Group {
    /// `None`: all that is left.
    below: Option<u32>,
    value: Bytes,
}

/// `split_clients string $variable { ... }`
fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let source = line.template(0)?;
    let name = variable_name(line.arg(1))?;
    let groups = read_groups(line.block())?;
    let compute = move |request: &Request, out: &mut Vec<u8>| {
        let hash = murmur2(&source.eval(request));
        if let Some(value) = find(&groups, hash) {
            out.extend_from_slice(value);
        }
        true
    };
    define(line.loading, name, Caching::Once, Rc::new(compute))?;
    Ok(())
}

fn find(groups: &[Group], hash: u32) -> Option<&Bytes> {
    let takes = |group: &&Group| group.below.is_none_or(|limit| hash < limit);
    groups.iter().find(takes).map(|group| &group.value)
}

/// Reads lines of a share (`0.01%` to `100%`, or `*` for the rest) and a value.
fn read_groups(lines: &[conf::Directive]) -> Result<Vec<Group>, Refused> {
    let mut sum = 0;
    let mut limit = 0_u32;
    let mut groups = Vec::new();
    for line in lines {
        let share = read_share(&line.name.text).map_err(|refused| refused.at(line.end))?;
        let [value] = line.args.as_slice() else {
            let message = "invalid number of arguments in \"split_clients\" directive";
            return Err(Refused::new(message).at(line.end));
        };
        sum = share.map_or(WHOLE, |share| sum + share);
        if sum > WHOLE {
            return Err(Refused::new("percent total is greater than 100%"));
        }
        // Who completes the whole takes the rest too, so that rounding leaves nobody out.
        let below = share.filter(|_| sum < WHOLE).map(|share| {
            let width = share * u64::from(u32::MAX) / WHOLE;
            limit = limit.saturating_add(u32::try_from(width).unwrap_or(u32::MAX));
            limit
        });
        let value = value.text.clone().into();
        groups.push(Group { below, value });
    }
    Ok(groups)
}

/// A share in hundredths of a percent; `None` for the rest.
fn read_share(text: &[u8]) -> Result<Option<u64>, Refused> {
    if text == b"*" {
        return Ok(None);
    }
    let number = text.strip_suffix(b"%");
    let share = number.and_then(|number| units::parse_fixed_point(number, 2).ok());
    match share {
        Some(share) if share > 0 => Ok(Some(share)),
        _ => {
            let shown = lossy(text);
            Err(Refused::new(format!("invalid percent value \"{shown}\"")))
        }
    }
}

/// MurmurHash2 of 32 bits with the seed 0.
///
/// Source: Austin Appleby, <https://github.com/aappleby/smhasher>, MurmurHash2.cpp.
fn murmur2(bytes: &[u8]) -> u32 {
    const FACTOR: u32 = 0x5bd1_e995;
    let mix = |part: u32| {
        let part = part.wrapping_mul(FACTOR);
        (part ^ part >> 24).wrapping_mul(FACTOR)
    };
    // As in the original, of a length beyond 32 bits only the low ones count.
    let mut hash = u32::try_from(bytes.len() & 0xffff_ffff).unwrap_or(0);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_mul(FACTOR) ^ mix(u32::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let part = rest
            .iter()
            .rev()
            .fold(0, |part, byte| part << 8 | u32::from(*byte));
        hash = (hash ^ part).wrapping_mul(FACTOR);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(FACTOR);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, table_lines};

    #[test]
    fn the_hash_is_murmur_hash_2() {
        // Values of the reference implementation.
        assert_eq!(murmur2(b""), 0);
        assert_eq!(murmur2(b"a"), 0x9268_5f5e);
        assert_eq!(murmur2(b"abc"), 0x1357_7c9b);
        assert_eq!(murmur2(b"hello"), 0xe561_29cb);
    }

    fn limits(table: &str) -> Vec<Option<u32>> {
        let groups = read_groups(&table_lines(table)).unwrap();
        groups.iter().map(|group| group.below).collect()
    }

    #[test]
    fn shares_follow_one_another() {
        assert_eq!(
            limits("50% a; 25% b;"),
            [Some(0x7fff_ffff), Some(0xbfff_fffe)]
        );
        assert_eq!(limits("0.01% a; * b;"), [Some(429_496), None]);
        assert_eq!(limits("33.33% a; 66.67% b;"), [Some(1_431_512_599), None]);
        let groups = read_groups(&table_lines("50% a; * b;")).unwrap();
        assert_eq!(find(&groups, 0x7fff_fffe).unwrap()[..], *b"a");
        assert_eq!(find(&groups, 0x7fff_ffff).unwrap()[..], *b"b");
        let groups = read_groups(&table_lines("50% a;")).unwrap();
        assert_eq!(find(&groups, u32::MAX), None);
    }

    #[test]
    fn mistakes_are_told_in_nginx_words() {
        let split = |lines: &str| format!("split_clients $uri $x {{ {lines} }}");
        let too_much = "percent total is greater than 100%";
        check(&split("60% a; 50% b;"), too_much);
        check(&split("100% a; 0.01% b;"), too_much);
        for wrong in ["50", "0%", "1.001%", "-1%", "%"] {
            let message = format!("invalid percent value \"{wrong}\"");
            check(&split(&format!("{wrong} a;")), &message);
        }
    }
}
