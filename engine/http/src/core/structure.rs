//! `server`, `location`, `limit_except`, `listen`: the blocks that make levels.

use crate::config::listen;
use crate::module::Module;
use engine::directive::{block, custom};
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot, inherit_fields};
use http1::Method;

/// Nothing to keep: these directives add levels and addresses to the load.
#[derive(Clone, Default)]
pub struct Blocks {}

inherit_fields!(Blocks {});

/// What `limit_except` says for one location.
#[derive(Clone, Default)]
pub struct MethodLimit {
    /// Methods that are served from the location itself, and the level for all others.
    pub limit: Setting<Option<(Vec<Method>, u32)>>,
    /// Whether requests get here only from within: redirections, error pages.
    pub internal: Setting<bool>,
}

inherit_fields!(MethodLimit { internal } own: { limit });

const BLOCKS: &[Directive<Blocks>] = &[
    block("server", Contexts::HTTP, Arity::NONE, |_, line| {
        line.open_level(Contexts::SERVER);
        Ok(())
    }),
    custom("listen", Contexts::SERVER, Arity::SOME, |_, line| {
        listen::read(line)
    }),
];

const LOCATIONS: &[Directive<MethodLimit>] = &[
    block(
        "location",
        Contexts::SERVER.with(Contexts::LOCATION),
        Arity::between(1, 2),
        |_, line| {
            line.open_level(Contexts::LOCATION);
            Ok(())
        },
    ),
    block(
        "limit_except",
        Contexts::LOCATION,
        Arity::SOME,
        read_limit_except,
    ),
    custom(
        "internal",
        Contexts::LOCATION,
        Arity::NONE,
        |settings, _| {
            settings.internal.set(true);
            Ok(())
        },
    ),
];

/// Blocks.
pub static BLOCKS_SLOT: Slot<Blocks> = Slot::server(BLOCKS);
/// Locations' own.
pub(crate) static METHODS: Slot<MethodLimit> = Slot::location(LOCATIONS);

/// The structure of an `http` block.
pub static MODULE: Module = Module {
    name: "core",
    settings: &[&BLOCKS_SLOT, &METHODS],
    ..Module::EMPTY
};

/// `limit_except GET POST { ... }`. GET includes HEAD.
fn read_limit_except(settings: &mut MethodLimit, line: &mut Line<'_>) -> Result<(), Refused> {
    if settings.limit.is_set() {
        return Err(Refused::duplicate());
    }
    let mut methods = Vec::new();
    for word in line.args() {
        let method = Method::from_name(&word.text.to_ascii_uppercase());
        if method == Method::Other {
            let name = String::from_utf8_lossy(&word.text);
            return Err(Refused::new(format!("invalid method \"{name}\"")).at(word.position));
        }
        methods.push(method);
        if method == Method::Get {
            methods.push(Method::Head);
        }
    }
    let level = line.open_level(Contexts::LIMIT_EXCEPT);
    settings.limit.set(Some((methods, level)));
    Ok(())
}
