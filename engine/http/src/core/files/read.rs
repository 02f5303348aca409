//! Reads the directives about files that have words of their own.

use super::{Aio, FileCacheLimits, Files, Root, SymlinkPolicy, Symlinks, Types, shared};
use crate::config::location_name::{LocationName, of_line};
use engine::{Line, Refused};
use std::borrow::Cow;
use std::os::unix::ffi::OsStringExt;
use std::rc::Rc;

fn check_root(settings: &Files, line: &Line<'_>) -> Result<(), Refused> {
    if !settings.root.is_set() {
        return Ok(());
    }
    let set = if matches!(*settings.root, Root::Alias { .. }) {
        "alias"
    } else {
        "root"
    };
    Err(if line.name() == set {
        Refused::duplicate()
    } else {
        let name = line.name();
        Refused::new(format!(
            "\"{name}\" directive is duplicate, \"{set}\" directive was specified earlier"
        ))
    })
}

pub(super) fn root(settings: &mut Files, line: &mut Line<'_>) -> Result<(), Refused> {
    check_root(settings, line)?;
    let text = line.arg(0);
    let trimmed = text.strip_suffix(b"/").unwrap_or(text);
    let refuse = |name: &str| {
        Refused::new(format!(
            "the ${name} variable cannot be used in the \"root\" directive"
        ))
    };
    for name in ["document_root", "realpath_root"] {
        if String::from_utf8_lossy(text).contains(&format!("${name}")) {
            return Err(refuse(name));
        }
    }
    let template = line.compile(&under_prefix(trimmed, line))?;
    settings.root.set(Root::Root(template));
    Ok(())
}

/// `path` under the prefix, unless it is absolute or begins with a variable, whose value may be.
fn under_prefix<'p>(path: &'p [u8], line: &Line<'_>) -> Cow<'p, [u8]> {
    match path.first() {
        None | Some(b'/' | b'$') => Cow::Borrowed(path),
        Some(_) => Cow::Owned(line.loading.full_path(path).into_os_string().into_vec()),
    }
}

pub(super) fn alias(settings: &mut Files, line: &mut Line<'_>) -> Result<(), Refused> {
    check_root(settings, line)?;
    let prefix = match of_line(line) {
        LocationName::Named(_) => {
            return Err(Refused::new(
                "the \"alias\" directive cannot be used inside the named location",
            ));
        }
        LocationName::Exact(uri) | LocationName::Prefix { prefix: uri, .. } => Some(uri.len()),
        LocationName::Pattern(_) | LocationName::Unnamed => None,
    };
    let path = line.compile(&under_prefix(line.arg(0), line))?;
    settings.root.set(Root::Alias { path, prefix });
    Ok(())
}

/// `types { text/html html htm; }`
pub(super) fn types(settings: &mut Files, line: &mut Line<'_>) -> Result<(), Refused> {
    let mut types = if settings.types.is_set() {
        (**settings.types).clone()
    } else {
        Types::default()
    };
    for entry in line.block() {
        let kind = shared(&entry.name.text);
        for extension in &entry.args {
            let name = extension.text.to_ascii_lowercase();
            if types.contains_key(&name) {
                let old = &types[&name];
                let message = format!(
                    "duplicate extension \"{}\", content type: \"{}\", previous content type: \"{}\"",
                    extension.display(),
                    String::from_utf8_lossy(&kind),
                    String::from_utf8_lossy(old),
                );
                line.loading.warn(message, Some(entry.end));
            }
            types.insert(name, kind.clone());
        }
    }
    settings.types.set(Rc::new(types));
    Ok(())
}

pub(super) fn aio(settings: &mut Files, line: &mut Line<'_>) -> Result<(), Refused> {
    let aio = match line.arg(0) {
        b"off" => Aio::Off,
        // Without kernel AIO for the page cache, threads are what "on" asks for.
        b"on" | b"threads" => Aio::Threads(b"default".to_vec()),
        word => match word.strip_prefix(b"threads=") {
            Some(pool) if !pool.is_empty() => Aio::Threads(pool.to_vec()),
            _ => return Err(Refused::new("invalid value")),
        },
    };
    engine::directive::set_once(&mut settings.aio, aio)
}

pub(super) fn directio(settings: &mut Files, line: &mut Line<'_>) -> Result<(), Refused> {
    let size = match line.arg(0) {
        b"off" => None,
        word => Some(base::units::parse_offset(word).map_err(|_| Refused::new("invalid value"))?),
    };
    engine::directive::set_once(&mut settings.directio, size)
}

pub(super) fn open_file_cache(settings: &mut Files, line: &mut Line<'_>) -> Result<(), Refused> {
    let mut max = None;
    let mut inactive = 60;
    let mut off = false;
    for index in 0..line.args().len() {
        let word = line.arg(index);
        let invalid = || {
            let shown = String::from_utf8_lossy(word);
            Refused::new(format!("invalid \"open_file_cache\" parameter \"{shown}\""))
        };
        if let Some(value) = word.strip_prefix(b"max=") {
            let value = base::units::parse_decimal(value)
                .ok()
                .and_then(|n| usize::try_from(n).ok());
            max = Some(value.filter(|&n| n > 0).ok_or_else(invalid)?);
        } else if let Some(value) = word.strip_prefix(b"inactive=") {
            inactive = base::units::parse_time_sec(value).map_err(|_| invalid())?;
        } else if word == b"off" {
            off = true;
        } else {
            return Err(invalid());
        }
    }
    let limits = match (off, max) {
        (true, _) => None,
        (false, Some(max)) => Some(FileCacheLimits { max, inactive }),
        (false, None) => {
            return Err(Refused::new(
                "\"open_file_cache\" must have the \"max\" parameter",
            ));
        }
    };
    engine::directive::set_once(&mut settings.open_file_cache, limits)
}

pub(super) fn disable_symlinks(settings: &mut Files, line: &mut Line<'_>) -> Result<(), Refused> {
    let mut symlinks = Symlinks::default();
    for index in 0..line.args().len() {
        match line.arg(index) {
            b"off" => symlinks.policy = SymlinkPolicy::Off,
            b"on" => symlinks.policy = SymlinkPolicy::On,
            b"if_not_owner" => symlinks.policy = SymlinkPolicy::IfNotOwner,
            word => match word.strip_prefix(b"from=") {
                Some(from) => symlinks.from = Some(line.compile(from)?),
                None => return Err(line.invalid_parameter(index)),
            },
        }
    }
    engine::directive::set_once(&mut settings.disable_symlinks, symlinks)
}
