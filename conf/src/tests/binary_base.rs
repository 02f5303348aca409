//! Files of ranges with a binary base beside them.

use std::time::{Duration, SystemTime};

use base::range_table::RangeTable;

use super::{in_memory, load_from};
use crate::{Included, MemorySource, geo_base};

/// A base in which 1.0.0.0 has `value`.
fn base(value: &str) -> Vec<u8> {
    let mut table = RangeTable::default();
    let number = table.add_value(value.as_bytes());
    table.push(1 << 24, 1 << 24, number).unwrap();
    geo_base::write(&table)
}

/// What comes of `geo $x { BLOCK }`: its lines, and what is said.
fn read(block: &str, files: MemorySource) -> (Vec<String>, Vec<String>) {
    let main = format!("geo $x {{\n{block}\n}}");
    let source = files.with("/p/conf/nginx.conf", main);
    let (tree, errors) = load_from(&source);
    let lines = tree.directives[0].block.iter().flatten();
    let lines = lines.map(|line| {
        let name = line.name.display();
        let count = line.block.as_deref().unwrap_or_default().len();
        match line.included.as_deref() {
            None => name.into_owned(),
            Some(Included::Text) => format!("{name}: {count} lines"),
            Some(Included::Whole { base, .. }) => format!("{count} lines for {}", base.display()),
            Some(Included::Base(table)) => {
                let value = table.find(1 << 24).unwrap_or_default();
                format!("base with {}", String::from_utf8_lossy(value))
            }
        }
    });
    let lines = lines.collect();
    (
        lines,
        errors.iter().map(|error| error.nginx_line(&tree)).collect(),
    )
}

fn with_text() -> MemorySource {
    in_memory(b"").with("/p/conf/r", "1.0.0.0-1.0.0.0 text; delete 2.0.0.0-2.0.0.0;")
}

#[track_caller]
fn check(block: &str, files: MemorySource, lines: &[&str], said: &[&str]) {
    let (read, told) = read(block, files);
    assert_eq!(read, lines, "{block}");
    let told: Vec<_> = told
        .iter()
        .map(|line| line.replace(" in /p/conf/nginx.conf:", " @"))
        .collect();
    assert_eq!(told, said, "{block}");
}

const USING: &str = "nginx: [notice] using binary geo range base \"/p/conf/r.bin\" @2";

#[test]
fn a_base_is_read_in_place_of_the_text() {
    let files = with_text().with("/p/conf/r.bin", base("base"));
    check(
        "ranges; default a; proxy 127.0.0.1; proxy_recursive; volatile; include r;",
        files.clone(),
        &[
            "ranges",
            "default",
            "proxy",
            "proxy_recursive",
            "volatile",
            "base with base",
        ],
        &[USING],
    );
    check(
        "ranges; include r; default a;",
        files,
        &["ranges", "base with base", "default"],
        &[USING],
    );
    check(
        "ranges; include r;",
        with_text(),
        &["ranges", "2 lines for /p/conf/r.bin"],
        &[],
    );
}

#[test]
fn what_cannot_be_trusted_is_told_and_the_text_is_read() {
    let read = &["ranges", "2 lines for /p/conf/r.bin"];
    let block = "ranges; include r;";
    let newer = SystemTime::UNIX_EPOCH + Duration::from_millis(1);
    let files = with_text().with("/p/conf/r.bin", base("base"));
    check(
        block,
        files.changed_at("/p/conf/r", newer),
        read,
        &["nginx: [warn] stale binary geo range base \"/p/conf/r.bin\" @2"],
    );
    for bytes in [b"".to_vec(), vec![0; 100], base("x")[..15].to_vec()] {
        check(
            block,
            with_text().with("/p/conf/r.bin", bytes),
            read,
            &["nginx: [warn] incompatible binary geo range base \"/p/conf/r.bin\" @2"],
        );
    }
    let mut changed = base("base");
    changed[40] ^= 1;
    check(
        block,
        with_text().with("/p/conf/r.bin", changed),
        read,
        &["nginx: [warn] CRC32 mismatch in binary geo range base \"/p/conf/r.bin\" @2"],
    );
}

/// nginx refuses to start with these, from the second time on, once it has written the base.
#[test]
fn beside_other_ranges_the_text_is_read() {
    let files = with_text()
        .with("/p/conf/r.bin", base("base"))
        .with("/p/conf/s", "3.0.0.0-3.0.0.0 s;")
        .with("/p/conf/s.bin", base("s"));
    for (block, lines) in [
        (
            "ranges; 5.0.0.0-5.0.0.1 a; include r;",
            &["ranges", "5.0.0.0-5.0.0.1", "include: 2 lines"][..],
        ),
        (
            "ranges; include r; delete 5.0.0.0-5.0.0.1;",
            &["ranges", "include: 2 lines", "delete"],
        ),
        (
            "ranges; include r; include s;",
            &["ranges", "include: 2 lines", "include: 1 lines"],
        ),
    ] {
        check(block, files.clone(), lines, &[]);
    }
}

/// Only a single file whose name stands in a block of ranges can have a base.
#[test]
fn other_includes_are_put_in_their_place() {
    let files = with_text().with("/p/conf/r.bin", base("base"));
    let lines = ["1.0.0.0-1.0.0.0", "delete"];
    check("include r;", files.clone(), &lines, &[]);
    check(
        "ranges; include r*;",
        with_text(),
        &[&["ranges"], &lines[..]].concat(),
        &[],
    );
    check(
        "include r; ranges;",
        files.clone(),
        &[&lines[..], &["ranges"]].concat(),
        &[],
    );
    // What the file includes may change without it.
    check(
        "ranges; include outer;",
        files.with("/p/conf/outer", "include r;"),
        &["ranges", "include: 2 lines"],
        &[],
    );
}

#[test]
fn without_the_text_there_is_no_base() {
    let files = in_memory(b"").with("/p/conf/r.bin", base("base"));
    check(
        "ranges; include r;",
        files,
        &["ranges", "include"],
        &["nginx: [emerg] open() \"/p/conf/r\" failed (2: No such file or directory) @2"],
    );
}
