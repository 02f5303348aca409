//! What is kept of a file of ranges: nginx's binary base.

use base::range_table::RangeTable;
use conf::{Included, geo_base};
use engine::derived_file::DerivedFile;

/// More lines than these a file needs to be worth a base. Source: nginx 1.31.5, by when it writes.
pub(super) const LINES: usize = 100_000;

/// The permissions of a base that is new, as far as the text has them.
const MODE: u32 = 0o644;

/// The base of an included file that has all the ranges of its block; `None` where it is not worth
/// one, or where it has more than ranges, which a base does not keep.
pub(super) fn of(include: &conf::Directive, table: &RangeTable) -> Option<DerivedFile> {
    let Some(Included::Whole { base, text }) = include.included.as_deref() else {
        return None;
    };
    let lines = include.block.as_deref()?;
    let is_range =
        |line: &conf::Directive| line.args.len() == 1 && !line.is("default") && !line.is("proxy");
    if lines.len() <= LINES || !lines.iter().all(is_range) {
        return None;
    }
    Some(DerivedFile {
        kind: "binary geo range base",
        path: base.clone(),
        bytes: geo_base::write(table),
        modified: text.modified,
        mode: text.mode & MODE,
    })
}
