//! Reads an `http` block: each directive through the table of the module that declares it.

use super::arena::arena;
use super::location_name::LocationName;
use super::registry::{Found, Registry};
use crate::variable::BuiltIn;
use conf::Directive;
use engine::{Contexts, Line, Loading, Refused};
use std::rc::Rc;

/// Most levels of blocks within one another.
const DEPTH_MAX: usize = 100;

/// Reads the block of `http`; what is wrong is collected in `loading.errors`.
pub fn read(http: &Directive, loading: &mut Loading, registry: &Rc<Registry>) {
    for module in &registry.modules {
        loading.shared::<BuiltIn>().add(module.variables);
    }
    let arena = arena(loading);
    arena.main = registry
        .slots(engine::slot::Level::Main)
        .iter()
        .map(|slot| Some(slot.fresh()))
        .collect();
    let id = arena.push(
        registry,
        Contexts::HTTP,
        None,
        LocationName::Unnamed,
        http.end,
    );
    read_block(http, loading, registry, id, 0);
}

fn read_block(
    block: &Directive,
    loading: &mut Loading,
    registry: &Rc<Registry>,
    id: u32,
    depth: usize,
) {
    if depth > DEPTH_MAX {
        loading
            .errors
            .push(conf::Error::of(block, "blocks are nested too deeply"));
        return;
    }
    let context = arena(loading).levels[id as usize].context;
    for directive in block.block.iter().flatten() {
        if let Err(error) = read_directive(directive, loading, registry, (id, context), depth) {
            loading.errors.push(error);
        }
    }
}

fn read_directive(
    directive: &Directive,
    loading: &mut Loading,
    registry: &Rc<Registry>,
    (id, context): (u32, Contexts),
    depth: usize,
) -> Result<(), conf::Error> {
    let found = find(directive, registry, context)?;
    let mut settings = arena(loading).entries(found.level, id)[found.slot]
        .take()
        .ok_or_else(|| conf::Error::of(directive, "directive is used inside itself"))?;
    let nest = |loading: &mut Loading, directive: &Directive, context: Contexts| {
        open_level(directive, loading, registry, (id, context), depth)
    };
    let mut line = Line {
        directive,
        context,
        level: id,
        loading,
        nest: &nest,
    };
    let slot = registry.slots(found.level)[found.slot];
    let outcome = slot.apply(found.row, settings.as_mut(), &mut line);
    let arena = arena(loading);
    arena.entries(found.level, id)[found.slot] = Some(settings);
    let level = &mut arena.levels[id as usize];
    level.owner = found.takes_over.or(level.owner);
    outcome.map_err(|refused| refused.into_error(&directive.name.text, directive.end))
}

/// Finds the directive and checks context, block and number of arguments.
///
/// # Errors
///
/// In nginx's words: `unknown directive`, `directive is not allowed here`, `invalid number
/// of arguments in "x" directive`, `directive "x" has no opening "{"`.
fn find(
    directive: &Directive,
    registry: &Registry,
    context: Contexts,
) -> Result<Found, conf::Error> {
    let name = directive.name.display();
    let found = match registry.find(&name, context) {
        Ok(found) => found,
        Err(true) => {
            let message = format!("\"{name}\" directive is not allowed here");
            return Err(conf::Error::of(directive, message));
        }
        Err(false) => {
            return Err(conf::Error::unknown_directive(directive, registry.names()));
        }
    };
    match (found.info.is_block, directive.block.is_some()) {
        (true, false) => {
            let message = format!("directive \"{name}\" has no opening \"{{\"");
            return Err(conf::Error::of(directive, message));
        }
        (false, true) => {
            let message = format!("directive \"{name}\" is not terminated by \";\"");
            return Err(conf::Error::of(directive, message));
        }
        _ => {}
    }
    if !found.info.arity.admits(directive.args.len()) {
        let message = format!("invalid number of arguments in \"{name}\" directive");
        return Err(conf::Error::of(directive, message));
    }
    Ok(found)
}

/// Adds a level for `directive`'s block and reads it. Gives its number; on errors, which
/// are collected, the number of the level around it.
fn open_level(
    directive: &Directive,
    loading: &mut Loading,
    registry: &Rc<Registry>,
    (parent, context): (u32, Contexts),
    depth: usize,
) -> u32 {
    let name = match level_name(directive, loading, parent, context) {
        Ok(name) => name,
        Err(refused) => {
            loading
                .errors
                .push(refused.into_error(&directive.name.text, directive.end));
            return parent;
        }
    };
    let id = arena(loading).push(registry, context, Some(parent), name, directive.end);
    read_block(directive, loading, registry, id, depth + 1);
    id
}

fn level_name(
    directive: &Directive,
    loading: &mut Loading,
    parent: u32,
    context: Contexts,
) -> Result<LocationName, Refused> {
    if context != Contexts::LOCATION {
        return Ok(LocationName::Unnamed);
    }
    let name = LocationName::parse(&directive.args, loading)?;
    let arena = arena(loading);
    let outer = &arena.levels[parent as usize];
    if outer.context == Contexts::LOCATION {
        name.check_inside(&outer.name)?;
    }
    Ok(name)
}
