//! From a URI to a file: `root`, `alias`, media types, how files are opened.

mod read;

use crate::bytes::Bytes;
use crate::error::Error;
use crate::module::Module;
use crate::request::Request;
use base::hash::BuildQuick;
use engine::directive::{block, custom, flag, keyword, number, offset, size};
use engine::{Arity, Contexts, Directive, Setting, Slot, Template, inherit_fields};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Settings of a location for files.
#[derive(Clone)]
pub struct Files {
    /// `root` or `alias`.
    pub root: Setting<Root>,
    /// Media types by extension.
    pub types: Setting<Rc<Types>>,
    /// The type of every other file.
    pub default_type: Setting<Bytes>,
    /// Whether ETags are made.
    pub etag: Setting<bool>,
    /// Index in [`IF_MODIFIED_SINCE`].
    pub if_modified_since: Setting<usize>,
    /// Most ranges of one response; 0 turns ranges off.
    pub max_ranges: Setting<u64>,
    /// Whether missing files are worth a line in the error log.
    pub log_not_found: Setting<bool>,
    /// How file work is done.
    pub aio: Setting<Aio>,
    /// Whether temporary files are written by threads too.
    pub aio_write: Setting<bool>,
    /// Size from which the page cache is bypassed.
    pub directio: Setting<Option<u64>>,
    /// Alignment of such reads.
    pub directio_alignment: Setting<u64>,
    /// Bytes that the kernel is asked to read ahead.
    pub read_ahead: Setting<u64>,
    /// The cache of open files.
    pub open_file_cache: Setting<Option<FileCacheLimits>>,
    /// Seconds after which a cached file is looked at again.
    pub open_file_cache_valid: Setting<u64>,
    /// Uses that keep a file open in the cache.
    pub open_file_cache_min_uses: Setting<u64>,
    /// Whether failures are cached too.
    pub open_file_cache_errors: Setting<bool>,
    /// Which symbolic links are refused.
    pub disable_symlinks: Setting<Symlinks>,
    /// Sizes of nginx's hash tables; ours grow as needed.
    types_hash_max: Setting<u64>,
    types_hash_bucket: Setting<u64>,
}

/// Media types by lower-case extension.
pub type Types = HashMap<Vec<u8>, Bytes, BuildQuick>;

/// The words of `if_modified_since`.
pub const IF_MODIFIED_SINCE: &[&str] = &["off", "exact", "before"];

/// Where files are.
#[derive(Clone, Debug)]
pub enum Root {
    /// The URI is appended to the path.
    Root(Template),
    /// What follows the location's prefix is appended; after a pattern, nothing.
    Alias {
        /// The path.
        path: Template,
        /// Bytes of the location's prefix; `None` for a pattern.
        prefix: Option<usize>,
    },
}

/// How file work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aio {
    /// In the worker itself.
    Off,
    /// By the threads of this pool.
    Threads(Vec<u8>),
}

/// The bounds of a cache of open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCacheLimits {
    /// Most entries.
    pub max: usize,
    /// Seconds after which an unused entry is dropped.
    pub inactive: u64,
}

/// `disable_symlinks`.
#[derive(Clone, Debug, Default)]
pub struct Symlinks {
    /// Which are refused.
    pub policy: SymlinkPolicy,
    /// A leading part of the path that is not checked.
    pub from: Option<Template>,
}

/// Which symbolic links are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SymlinkPolicy {
    /// None.
    #[default]
    Off,
    /// All.
    On,
    /// Those whose owner is not the owner of what they lead to.
    IfNotOwner,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            root: Setting::new(Root::Root(Template::constant(b"html"))),
            types: Setting::new(Rc::new(default_types())),
            default_type: Setting::new(Bytes::Static(b"text/plain")),
            etag: Setting::new(true),
            if_modified_since: Setting::new(1),
            max_ranges: Setting::new(u32::MAX.into()),
            log_not_found: Setting::new(true),
            aio: Setting::new(Aio::Off),
            aio_write: Setting::new(false),
            directio: Setting::new(None),
            directio_alignment: Setting::new(512),
            read_ahead: Setting::new(0),
            open_file_cache: Setting::new(None),
            open_file_cache_valid: Setting::new(60),
            open_file_cache_min_uses: Setting::new(1),
            open_file_cache_errors: Setting::new(false),
            disable_symlinks: Setting::new(Symlinks::default()),
            types_hash_max: Setting::new(1024),
            types_hash_bucket: Setting::new(64),
        }
    }
}

inherit_fields!(Files {
    root,
    types,
    default_type,
    etag,
    if_modified_since,
    max_ranges,
    log_not_found,
    aio,
    aio_write,
    directio,
    directio_alignment,
    read_ahead,
    open_file_cache,
    open_file_cache_valid,
    open_file_cache_min_uses,
    open_file_cache_errors,
    disable_symlinks,
    types_hash_max,
    types_hash_bucket,
});

const MAX: u64 = u32::MAX as u64;

const DIRECTIVES: &[Directive<Files>] = &[
    custom("root", Contexts::ALL_AND_IF, Arity::ONE, read::root),
    custom("alias", Contexts::LOCATION, Arity::ONE, read::alias),
    block("types", Contexts::ALL, Arity::NONE, read::types),
    custom("default_type", Contexts::ALL, Arity::ONE, |s, line| {
        engine::directive::set_once(&mut s.default_type, shared(line.arg(0)))
    }),
    flag("etag", Contexts::ALL, |s| &mut s.etag),
    keyword("if_modified_since", Contexts::ALL, IF_MODIFIED_SINCE, |s| {
        &mut s.if_modified_since
    }),
    number("max_ranges", Contexts::ALL, 0, MAX, |s| &mut s.max_ranges),
    flag("log_not_found", Contexts::ALL, |s| &mut s.log_not_found),
    custom("aio", Contexts::ALL, Arity::ONE, read::aio),
    flag("aio_write", Contexts::ALL, |s| &mut s.aio_write),
    custom("directio", Contexts::ALL, Arity::ONE, read::directio),
    offset("directio_alignment", Contexts::ALL, |s| {
        &mut s.directio_alignment
    }),
    size("read_ahead", Contexts::ALL, |s| &mut s.read_ahead),
    custom(
        "open_file_cache",
        Contexts::ALL,
        Arity::between(1, 2),
        read::open_file_cache,
    ),
    engine::directive::seconds("open_file_cache_valid", Contexts::ALL, |s| {
        &mut s.open_file_cache_valid
    }),
    number("open_file_cache_min_uses", Contexts::ALL, 0, MAX, |s| {
        &mut s.open_file_cache_min_uses
    }),
    flag("open_file_cache_errors", Contexts::ALL, |s| {
        &mut s.open_file_cache_errors
    }),
    custom(
        "disable_symlinks",
        Contexts::ALL,
        Arity::between(1, 2),
        read::disable_symlinks,
    ),
    number("types_hash_max_size", Contexts::ALL, 0, MAX, |s| {
        &mut s.types_hash_max
    }),
    number("types_hash_bucket_size", Contexts::ALL, 0, MAX, |s| {
        &mut s.types_hash_bucket
    }),
];

/// Settings for files.
pub(crate) static FILES: Slot<Files> = Slot::location(DIRECTIVES);

/// Files.
pub static MODULE: Module = Module {
    name: "core_files",
    settings: &[&FILES],
    ..Module::EMPTY
};

/// The path of the file that the request's URI stands for.
///
/// # Errors
///
/// 404 when an `alias` would be left: `location /i { alias /data/; }` with `/i../x`.
pub fn path_of(request: &Request, uri: &[u8]) -> Result<PathBuf, Error> {
    let location = Rc::clone(&request.location);
    let mut path = Vec::with_capacity(256);
    let root = &*location.files.root;
    // `root /`, of which the slash was taken off.
    let is_whole_disk = matches!(root, Root::Root(root) if root.is_empty());
    let rest = match root {
        Root::Root(root) => {
            root.write(request, &mut path);
            uri
        }
        Root::Alias {
            path: alias,
            prefix,
        } => {
            alias.write(request, &mut path);
            let rest = match prefix {
                Some(prefix) => uri.get(*prefix..).unwrap_or_default(),
                None if request.uri_follows_alias => uri,
                None => b"",
            };
            // After "location /i" the rest of "/i../x" would lead out of the alias.
            if rest.starts_with(b"..") && matches!(rest.get(2), None | Some(b'/')) {
                let shown = String::from_utf8_lossy(uri).into_owned();
                return Err(Error::client(
                    404,
                    format!("\"{shown}\" leads out of its alias"),
                ));
            }
            rest
        }
    };
    if !path.starts_with(b"/") && !is_whole_disk {
        // The default, or a variable's value: what is written was completed at load.
        let prefix = request.connection.http.prefix.as_os_str().as_bytes();
        let slash: &[u8] = if prefix.ends_with(b"/") { b"" } else { b"/" };
        path.splice(0..0, prefix.iter().chain(slash).copied());
    }
    path.extend_from_slice(rest);
    Ok(PathBuf::from(std::ffi::OsString::from_vec(path)))
}

/// `$document_root`: the root's or alias's path.
pub fn document_root(request: &Request) -> PathBuf {
    let location = Rc::clone(&request.location);
    let path = match &*location.files.root {
        Root::Root(path) | Root::Alias { path, .. } => path.eval(request),
    };
    request
        .connection
        .http
        .prefix
        .join(Path::new(OsStr::from_bytes(&path)))
}

/// The extension of the last part of `uri`, without its dot.
pub fn extension(uri: &[u8]) -> Option<&[u8]> {
    let dot = uri.iter().rposition(|byte| matches!(byte, b'.' | b'/'))?;
    // nginx has no extension for ".profile".
    let has_name = dot > 0 && uri[dot - 1] != b'/';
    (uri[dot] == b'.' && has_name).then(|| &uri[dot + 1..])
}

/// The media type for the request's URI, unless a server that sent the request there said one.
pub fn content_type(request: &Request) -> Bytes {
    if let Some(kept) = crate::gateway::kept_type(request) {
        return kept;
    }
    let settings = &request.location.files;
    let known = extension(&request.uri).and_then(|extension| {
        settings.types.get(extension).or_else(|| {
            let has_capital = extension.iter().any(u8::is_ascii_uppercase);
            has_capital
                .then(|| settings.types.get(&extension.to_ascii_lowercase()))
                .flatten()
        })
    });
    known.unwrap_or(&settings.default_type).clone()
}

fn default_types() -> Types {
    let types: [(&str, &'static str); 3] = [
        ("html", "text/html"),
        ("gif", "image/gif"),
        ("jpg", "image/jpeg"),
    ];
    types
        .into_iter()
        .map(|(ext, kind)| (ext.as_bytes().to_vec(), Bytes::from(kind)))
        .collect()
}

fn shared(text: &[u8]) -> Bytes {
    Bytes::Shared(Rc::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_of_the_last_part() {
        assert_eq!(extension(b"/a.b/c.tar.gz"), Some(&b"gz"[..]));
        assert_eq!(extension(b"/a.b/c"), None);
        assert_eq!(extension(b"/.profile"), None);
        assert_eq!(extension(b"/a."), Some(&b""[..]));
    }
}
