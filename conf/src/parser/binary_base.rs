//! Files of address ranges in a `geo`, which may have been compiled: nginx keeps what it has read of
//! `FILE` in `FILE.bin`, and reads that instead as long as it is not older.
//!
//! Such an include is read at the end of its block, when it is known whether the base may stand for
//! all of the ranges: only when there are no others. nginx refuses a block that has a base and
//! others; here the text is read then.
//!
//! Source: `ngx_http_geo_include_binary_base()`, nginx 1.31.5, by what it accepts and says.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::range_table::RangeTable;

use super::include::refused;
use super::{Frame, Parser};
use crate::files::describe;
use crate::geo_base::{self, Fault};
use crate::limits::MAX_TOTAL_BYTES;
use crate::{Directive, Error, Included, Level, Stamp, glob};

/// What a base cannot be used for, and how loudly that is said.
struct Unusable(Level, String);

impl Parser<'_> {
    /// Whether the include stays in its block as a directive: where `ranges` stand before it, in the
    /// same text, and it names one file.
    pub(super) fn is_kept_apart(
        &self,
        include: &Directive,
        frame: Frame<'_>,
        before: &[Directive],
    ) -> bool {
        frame.block == b"geo"
            && frame.opened.is_some()
            && before.iter().any(|line| is_flag(line, &[b"ranges"]))
            && !glob::is_pattern(self.path_of(include).as_os_str().as_bytes())
    }

    /// Reads the includes of a block that were kept apart, as bases or as text.
    pub(super) fn read_kept_apart(&mut self, block: &mut [Directive], frame: Frame<'_>) {
        if frame.block != b"geo" {
            return;
        }
        let others = |line: &&Directive| !is_setting(line);
        let is_alone = block.iter().filter(others).take(2).count() == 1;
        for line in block {
            if self.stopped {
                return;
            }
            let is_include = line.is("include") && line.args.len() == 1;
            if is_include && !(is_alone && self.read_base(line)) {
                self.read_lines(line, is_alone, frame);
            }
        }
    }

    /// Reads the base of an include, if there is one that can be used, and says so.
    fn read_base(&mut self, include: &mut Directive) -> bool {
        let text = self.path_of(include);
        let base = base_of(&text);
        let (error, table) = match self.open_base(&text, &base) {
            Ok(None) => return false,
            Ok(Some(table)) => {
                let message = format!("using binary geo range base \"{}\"", base.display());
                (Error::new(Level::Notice, message), Some(table))
            }
            Err(Unusable(level, message)) => (Error::new(level, message).harmless(), None),
        };
        self.report(error.at(include.end));
        include.included = table.map(|table| Box::new(Included::Base(Arc::new(table))));
        include.included.is_some()
    }

    /// What is in the base of a text; nothing if there is none.
    fn open_base(&self, text: &Path, base: &Path) -> Result<Option<RangeTable>, Unusable> {
        let shown = base.display();
        let failed = |call: &str, error: &io::Error| {
            let message = format!("{call} \"{shown}\" failed {}", describe(error));
            Unusable(Level::Crit, message)
        };
        let stamp = match self.source.stamp(base) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            stamp => stamp.map_err(|error| failed("open()", &error))?,
        };
        // Without the text there is nothing to be told of the base: it is not read alone.
        let Ok(Stamp { modified, .. }) = self.source.stamp(text) else {
            return Ok(None);
        };
        if stamp.modified < modified {
            let message = format!("stale binary geo range base \"{shown}\"");
            return Err(Unusable(Level::Warn, message));
        }
        let incompatible = || format!("incompatible binary geo range base \"{shown}\"");
        if usize::try_from(stamp.size).map_or(true, |size| size > MAX_TOTAL_BYTES) {
            return Err(Unusable(Level::Warn, incompatible()));
        }
        let bytes = self.source.read(base).map_err(|error| {
            let is_open = error.kind() == io::ErrorKind::IsADirectory;
            failed(if is_open { "pread()" } else { "open()" }, &error)
        })?;
        let table = geo_base::parse(&bytes).map_err(|fault| match fault {
            Fault::Incompatible => incompatible(),
            Fault::Checksum => format!("CRC32 mismatch in binary geo range base \"{shown}\""),
        });
        table
            .map(Some)
            .map_err(|message| Unusable(Level::Warn, message))
    }

    /// Reads the text of an include.
    fn read_lines(&mut self, include: &mut Directive, is_alone: bool, frame: Frame<'_>) {
        let path = self.path_of(include);
        // Asked before the text is read, so that a change meanwhile makes the base a stale one.
        let stamp = self.source.stamp(&path);
        let opened = self.files.opened();
        match self.read_file(&path, frame) {
            Ok(lines) => {
                let is_whole = is_alone && self.files.opened() == opened + 1;
                include.block = Some(lines);
                include.included = Some(Box::new(match stamp {
                    Ok(text) if is_whole => Included::Whole {
                        base: base_of(&path),
                        text,
                    },
                    _ => Included::Text,
                }));
            }
            Err(refusal) => {
                self.report(refused(include, &refusal, &path));
                self.stopped |= refusal.is_final();
            }
        }
    }
}

/// The name of the base of a text.
fn base_of(text: &Path) -> PathBuf {
    let mut name = text.as_os_str().to_owned();
    name.push(".bin");
    PathBuf::from(name)
}

/// Whether the line is one word, of these.
fn is_flag(line: &Directive, flags: &[&[u8]]) -> bool {
    line.args.is_empty() && flags.contains(&line.name.text.as_slice())
}

/// Whether a line of a `geo` adds and removes no range.
fn is_setting(line: &Directive) -> bool {
    is_flag(line, &[b"ranges", b"proxy_recursive", b"volatile"])
        || line.args.len() == 1 && (line.is("default") || line.is("proxy"))
}
