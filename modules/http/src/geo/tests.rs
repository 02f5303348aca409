//! Tests of values by address.

use super::*;
use crate::testing::{check, loading, table_lines};

fn read_table(table: &str) -> Geo {
    let mut loading = loading();
    let mut reader = Reader {
        geo: Geo::default(),
        caching: Caching::Once,
        has_networks: false,
        values: HashSet::new(),
        loading: &mut loading,
    };
    for line in table_lines(table) {
        reader.add(&line).unwrap();
    }
    reader.geo
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
