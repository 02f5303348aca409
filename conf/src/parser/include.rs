//! `include`: files in the place of a directive.
//!
//! Source: `ngx_conf_include()`, `ngx_http_map()` and `ngx_http_geo()`, nginx 1.31.5.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Frame, Parser};
use crate::files::{Refusal, describe};
use crate::{Directive, Error, Level, glob};

/// Blocks whose lines are no directives: `include` is one of them only with one argument.
const FREE_FORM_WITH_INCLUDE: [&[u8]; 2] = [b"map", b"geo"];

/// Blocks whose lines are no directives, and that know no `include`.
const FREE_FORM: [&[u8]; 2] = [b"split_clients", b"charset_map"];

impl Parser<'_> {
    /// Puts what a checked `include` names in its place.
    pub(super) fn include(
        &mut self,
        include: &Directive,
        frame: Frame<'_>,
        into: &mut Vec<Directive>,
    ) {
        for path in self.included_paths(include) {
            if self.stopped {
                return;
            }
            match self.read_file(&path, frame) {
                Ok(directives) => into.extend(directives),
                Err(refusal) => {
                    self.report(refused(include, &refusal, &path));
                    self.stopped |= refusal.is_final();
                }
            }
        }
    }

    /// The files that an `include` names. A name must exist, a pattern may match nothing.
    fn included_paths(&mut self, include: &Directive) -> Vec<PathBuf> {
        let Some(argument) = include.args.first() else {
            return Vec::new();
        };
        let path = self.path_of(include);
        if !glob::is_pattern(path.as_os_str().as_bytes()) {
            return vec![path];
        }
        self.source.glob(&path).unwrap_or_else(|error| {
            let path = path.display();
            let message = format!("glob() \"{path}\" failed {}", describe(&error));
            self.report(Error::of(include, message).focus_on(argument));
            Vec::new()
        })
    }

    /// The file that an include names.
    pub(super) fn path_of(&self, include: &Directive) -> PathBuf {
        let word = include.args.first().map_or(&b""[..], |word| &word.text);
        // For the system, a name ends at its first NUL.
        let name = word.split(|&byte| byte == 0).next();
        self.conf_prefix
            .join(OsStr::from_bytes(name.unwrap_or_default()))
    }
}

/// The error for a file that an `include` names and that is not read.
pub(super) fn refused(include: &Directive, refusal: &Refusal, path: &Path) -> Error {
    let error = refusal.error(path);
    let position = match error.level {
        // What fails half way is logged by nginx's reader, which knows no place.
        Level::Crit => None,
        _ => Some(include.end),
    };
    let error = Error { position, ..error };
    match include.args.first() {
        Some(argument) => error.focus_on(argument),
        None => error,
    }
}

/// Whether the lines of the block are entries of a table, of which none can have a block.
pub(super) fn is_free_form(frame: Frame<'_>) -> bool {
    FREE_FORM_WITH_INCLUDE.contains(&frame.block)
        || FREE_FORM.contains(&frame.block)
        || frame.block == b"types"
}

/// Whether the directive includes files rather than being a line of a table.
pub(super) fn is_include(directive: &Directive, frame: Frame<'_>) -> bool {
    directive.is("include")
        && !FREE_FORM.contains(&frame.block)
        && (directive.args.len() == 1 || !FREE_FORM_WITH_INCLUDE.contains(&frame.block))
}
