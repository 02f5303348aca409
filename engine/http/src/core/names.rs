//! `server_name`, and the sizes of hash tables that this server has no use for.

use crate::config::server_names::ServerName;
use crate::module::Module;
use engine::directive::{custom, number};
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot, inherit_fields};

/// The names of a server.
#[derive(Clone, Default)]
pub struct Names {
    /// In the order of the file.
    pub names: Setting<Vec<ServerName>>,
}

inherit_fields!(Names {} own: { names });

/// Sizes of nginx's hash tables. Ours grow as needed; the values are checked and kept for
/// whoever asks, and change nothing.
#[derive(Clone)]
pub struct HashSizes {
    server_names_max: Setting<u64>,
    server_names_bucket: Setting<u64>,
    variables_max: Setting<u64>,
    variables_bucket: Setting<u64>,
}

impl Default for HashSizes {
    fn default() -> Self {
        Self {
            server_names_max: Setting::new(512),
            server_names_bucket: Setting::new(64),
            variables_max: Setting::new(1024),
            variables_bucket: Setting::new(64),
        }
    }
}

inherit_fields!(HashSizes {
    server_names_max,
    server_names_bucket,
    variables_max,
    variables_bucket,
});

const SIZE_MAX: u64 = u64::MAX;

const NAME_DIRECTIVES: &[Directive<Names>] = &[custom(
    "server_name",
    Contexts::SERVER,
    Arity::SOME,
    read_server_name,
)];

const HASH_DIRECTIVES: &[Directive<HashSizes>] = &[
    number(
        "server_names_hash_max_size",
        Contexts::HTTP,
        0,
        SIZE_MAX,
        |s| &mut s.server_names_max,
    ),
    number(
        "server_names_hash_bucket_size",
        Contexts::HTTP,
        0,
        SIZE_MAX,
        |s| &mut s.server_names_bucket,
    ),
    number(
        "variables_hash_max_size",
        Contexts::HTTP,
        0,
        SIZE_MAX,
        |s| &mut s.variables_max,
    ),
    number(
        "variables_hash_bucket_size",
        Contexts::HTTP,
        0,
        SIZE_MAX,
        |s| &mut s.variables_bucket,
    ),
];

/// Names of servers.
pub static NAMES: Slot<Names> = Slot::server(NAME_DIRECTIVES);
static HASH_SIZES: Slot<HashSizes> = Slot::main(HASH_DIRECTIVES);

/// Names.
pub static MODULE: Module = Module {
    name: "core_names",
    settings: &[&NAMES, &HASH_SIZES],
    ..Module::EMPTY
};

fn read_server_name(settings: &mut Names, line: &mut Line<'_>) -> Result<(), Refused> {
    for index in 0..line.args().len() {
        let name = parse_name(line, index)?;
        settings.names.edit().push(name);
    }
    Ok(())
}

/// One name: exact, with a wildcard at one end, `$hostname`, or `~regex`.
fn parse_name(line: &mut Line<'_>, index: usize) -> Result<ServerName, Refused> {
    let text = line.arg(index);
    let invalid = || {
        let shown = String::from_utf8_lossy(text);
        Refused::new(format!("server name \"{shown}\" is invalid"))
    };
    if text.eq_ignore_ascii_case(b"$hostname") {
        return Ok(ServerName::Exact(sys::host::name().to_ascii_lowercase()));
    }
    if let Some(pattern) = text.strip_prefix(b"~") {
        if pattern.is_empty() {
            return Err(Refused::new("empty regex in server name \"~\""));
        }
        // Names are compared in lower case, and so are patterns without capital letters.
        let pattern = line.pattern(pattern, true)?;
        return Ok(ServerName::Pattern(text.to_vec(), pattern));
    }
    if text.contains(&b'/') {
        let shown = String::from_utf8_lossy(text).into_owned();
        line.warn(format!("server name \"{shown}\" has suspicious symbols"));
    }
    let name = text.to_ascii_lowercase();
    let stars = name.iter().filter(|byte| **byte == b'*').count();
    match (stars, name.as_slice()) {
        (0, [b'.', rest @ ..]) if !rest.is_empty() && !rest.starts_with(b".") => {
            Ok(ServerName::Leading {
                suffix: name.clone(),
                text: name,
                bare: true,
            })
        }
        (0, [b'.', ..]) => Err(invalid()),
        (0, _) => Ok(ServerName::Exact(name)),
        (1, [b'*', b'.', rest @ ..]) if !rest.is_empty() => Ok(ServerName::Leading {
            suffix: name[1..].to_vec(),
            text: name,
            bare: false,
        }),
        (1, [rest @ .., b'.', b'*']) if !rest.is_empty() => Ok(ServerName::Trailing {
            prefix: name[..name.len() - 1].to_vec(),
            text: name,
        }),
        _ => Err(invalid()),
    }
}
