//! `zone name [size]`: accepted; the state of a group is each worker's own.

use super::{Nothing, current};
use engine::directive::{custom, lossy};
use engine::{Arity, Contexts, Directive, Line, Refused, Slot};
use http::Module;

const DIRECTIVES: &[Directive<Nothing>] = &[custom(
    "zone",
    Contexts::UPSTREAM,
    Arity::between(1, 2),
    |_, line| read(line),
)];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// Zones of groups.
pub(crate) static MODULE: Module = Module {
    name: "upstream_zone_accepted",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let name = lossy(line.arg(0));
    if name.is_empty() {
        return Err(Refused::new(format!("invalid zone name \"{name}\"")));
    }
    if line.args().len() > 1 {
        let size = base::units::parse_size(line.arg(1));
        let refuse = |why: &str| Refused::new(format!("{why} \"{}\"", lossy(line.arg(1))));
        let size = size.map_err(|_| refuse("invalid zone size"))?;
        if size > 0 && size < 8 * 4096 {
            return Err(Refused::new(format!("zone \"{name}\" is too small")));
        }
    }
    let level = line.level;
    let group = current(line.loading, level)?.name.clone();
    line.warn(format!(
        "zone \"{name}\" is not shared: each worker keeps its own state of upstream \"{group}\""
    ));
    Ok(())
}
