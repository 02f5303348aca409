//! Tests of values by address.

use super::*;
use crate::testing::{check, load_with, loading, messages_with, table_lines};
use conf::geo_base;
use engine::derived_file::DerivedFile;

fn read_table(table: &str) -> Geo {
    let mut loading = loading();
    let mut reader = Reader {
        geo: Geo::default(),
        caching: Caching::Once,
        has_networks: false,
        ranges: None,
        whole: None,
        values: HashSet::new(),
        loading: &mut loading,
    };
    for line in table_lines(table) {
        reader.add(&line).unwrap();
    }
    reader.finish().0
}

#[track_caller]
fn check_find(geo: &Geo, address: &str, expected: &str) {
    let found = geo.find(forwarded::parse_ip(address.as_bytes()));
    assert_eq!(found, expected.as_bytes(), "{address}");
}

#[test]
fn the_smallest_network_decides() {
    let geo = read_table(
        "default any; 10.0.0.0/8 ten; 10.1.0.0/16 one; 10.1.2.3 host; 2001:db8::/32 doc;
         10.2.0.0/16 two; delete 10.2.0.0/16; 255.255.255.255 nowhere;",
    );
    check_find(&geo, "10.9.9.9", "ten");
    check_find(&geo, "10.1.9.9", "one");
    check_find(&geo, "10.1.2.3", "host");
    check_find(&geo, "10.2.0.1", "ten");
    check_find(&geo, "::ffff:10.1.2.3", "host");
    check_find(&geo, "2001:db8::1", "doc");
    check_find(&geo, "2001:db9::1", "any");
    check_find(&geo, "192.0.2.1", "any");
    check_find(&geo, "unix:", "nowhere");
}

#[test]
fn ranges_know_ipv4_alone() {
    let geo = read_table("ranges; default any; 10.0.0.0-10.0.0.9 ten; 10.0.0.5-10.0.0.5 five;");
    check_find(&geo, "10.0.0.4", "ten");
    check_find(&geo, "10.0.0.5", "five");
    check_find(&geo, "::ffff:10.0.0.6", "ten");
    check_find(&geo, "10.0.0.10", "any");
    check_find(&geo, "::1", "any");
    check_find(&read_table("10.0.0.0/8 ten;"), "11.0.0.0", "");
}

#[test]
fn mistakes_are_told_in_nginx_words() {
    let geo = |lines: &str| format!("geo $x {{ {lines} }}");
    check(
        &geo("default a; ranges;"),
        "the \"ranges\" directive must be the first directive inside \"geo\" block",
    );
    check(&geo("10.0.0.0/33 a;"), "invalid network \"10.0.0.0/33\"");
    check(&geo("a;"), "invalid number of the geo parameters");
    check(&geo("proxy a;"), "invalid network \"a\"");
    check(
        &geo("10.0.0.1/8 a;"),
        "low address bits of 10.0.0.1/8 are meaningless",
    );
    check(
        &geo("delete 10.0.0.1;"),
        "no network \"10.0.0.1\" to delete",
    );
    let duplicate = "duplicate network \"default\", value: \"b\", old value: \"a\"";
    check(
        &geo("default a; default b;"),
        &format!("{duplicate}\n{duplicate}"),
    );
    check(
        &geo("ranges; default a; default b;"),
        "duplicate default geo range value: \"b\", old value: \"a\"",
    );
    check(
        &geo("ranges; 10.0.0.2-10.0.0.1 a;"),
        "invalid range \"10.0.0.2-10.0.0.1\"",
    );
    check(
        &geo("ranges; 10.0.0.2-10.0.0.4 a; 10.0.0.1-10.0.0.3 b;"),
        "range \"10.0.0.1-10.0.0.3\" overlaps \"10.0.0.2-10.0.0.4\"",
    );
    check(
        "geo remote_addr $x { }",
        "invalid variable name \"remote_addr\"",
    );
}

/// One more line than it takes for a base to be written.
fn many_lines() -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for number in (0_u32..).take(binary_base::LINES + 1) {
        let first = Ipv4Addr::from_bits(0x0100_0000 + number * 4);
        let last = Ipv4Addr::from_bits(0x0100_0002 + number * 4);
        writeln!(text, "{first}-{last} {};", number % 7).unwrap();
    }
    text
}

/// What is left to be written after `geo $x { BLOCK }`, where `r` has `text`.
fn bases(block: &str, text: &str) -> Vec<DerivedFile> {
    let files = [("r", text.as_bytes().to_vec())];
    let mut loading = load_with(&files, &format!("geo $x {{ {block} }}"));
    let fatal = loading.errors.iter().find(|error| error.is_fatal());
    assert_eq!(fatal, None);
    std::mem::take(&mut loading.shared::<DerivedFiles>().all)
}

#[test]
fn a_large_file_of_ranges_gets_a_base() {
    let text = many_lines();
    let bases = bases("ranges; default any; include r;", &text);
    let [base] = bases.as_slice() else {
        panic!("{} bases", bases.len());
    };
    assert_eq!(base.path.to_str(), Some("/nonexistent/r.bin"));
    assert_eq!(base.kind, "binary geo range base");
    assert_eq!(base.mode, 0o644);
    let table = geo_base::parse(&base.bytes).unwrap();
    assert_eq!(table.ranges().count(), binary_base::LINES + 1);
    assert_eq!(table.find(0x0100_0000 + 4 * 12_345), Some(&b"4"[..]));
    assert_eq!(table.find(0x0100_0003), None);
}

/// A base has the ranges of its file and nothing else: whatever else there is must be read.
#[test]
fn only_what_a_base_keeps_gets_one() {
    let text = many_lines();
    let (_, shorter) = text.split_once('\n').unwrap();
    for (block, text) in [
        ("ranges; include r;", shorter.to_owned()),
        ("ranges; 0.0.0.1-0.0.0.1 a; include r;", text.clone()),
        ("ranges; include r; 0.0.0.1-0.0.0.1 a;", text.clone()),
        ("ranges; include r*;", text.clone()),
        ("ranges; include r;", format!("{text} default a;")),
        ("ranges; include r;", format!("{text} proxy 127.0.0.1;")),
        ("ranges; include r;", format!("{text} volatile;")),
    ] {
        assert!(bases(block, &text).is_empty(), "{block}");
    }
}

#[test]
fn a_base_answers_as_its_text_does() {
    let text = "1.0.0.0-1.3.0.9 a; 1.0.0.5-1.0.0.9 b; 9.0.0.0-9.0.0.0 c;";
    let table = read_table(&format!("ranges; {text}")).table;
    let Table::Ranges(table) = table else {
        panic!("no ranges");
    };
    let files = [("r", b"!".to_vec()), ("r.bin", geo_base::write(&table))];
    let said = messages_with(&files, "geo $x { ranges; include r; }");
    let using = "using binary geo range base \"/nonexistent/r.bin\"";
    assert_eq!(said, [using]);
    assert_eq!(table.find(0x0100_0004), Some(&b"a"[..]));
    assert_eq!(table.find(0x0103_0009), Some(&b"a"[..]));
    assert_eq!(table.find(0x0100_0005), Some(&b"b"[..]));
    assert_eq!(
        geo_base::parse(&geo_base::write(&table)),
        Ok((*table).clone())
    );
}

#[test]
fn a_file_that_is_missing_is_told_once() {
    let said = messages_with(&[], "geo $x { ranges; include r; }");
    assert_eq!(said.len(), 1, "{said:?}");
}
