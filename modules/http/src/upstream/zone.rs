//! `zone name [size]`: a group whose counters and list of servers all workers share.
//!
//! Each configuration fills a zone of its own, and takes over from the one before it what is
//! known of servers that stay: so workers that still end under the old configuration, and a
//! reload that fails, meet the group as it was.
//!
//! Source: nginx documentation, ngx_http_upstream_module.

use super::{Block, Nothing, current, resolve};
use crate::limits;
use engine::directive::{custom, lossy};
use engine::peer::{Earlier, PeerConfig, Peers};
use engine::{Arity, Contexts, Directive, Line, Loading, Refused, Slot};
use http::Module;
use shm::SMALLEST_ZONE;

/// What the zones are for.
const KIND: &str = "upstream";

const DIRECTIVES: &[Directive<Nothing>] = &[custom(
    "zone",
    Contexts::UPSTREAM,
    Arity::between(1, 2),
    |_, line| read(line),
)];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// Zones of groups.
pub(crate) static MODULE: Module = Module {
    name: "upstream_zone",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let level = line.level;
    let name = lossy(line.arg(0));
    if name.is_empty() {
        return Err(Refused::new(format!("invalid zone name \"{name}\"")));
    }
    if line.args().len() > 1 {
        let word = lossy(line.arg(1));
        let size = base::units::parse_size(line.arg(1))
            .map_err(|_| Refused::new(format!("invalid zone size \"{word}\"")))?;
        if size < SMALLEST_ZONE as u64 {
            return Err(Refused::new(format!("zone \"{name}\" is too small")));
        }
        make(line.loading, &name, size)?;
    }
    current(line.loading, level)?.zone = Some(name);
    Ok(())
}

/// Makes zone `name`, which several groups may share.
fn make(loading: &mut Loading, name: &str, size: u64) -> Result<(), Refused> {
    let zones = limits::zones(loading);
    let bytes = usize::try_from(size).unwrap_or(usize::MAX);
    let made = zones.create(name, KIND, bytes);
    made.map_err(|error| limits::refusal(&zones, &error, (name, KIND, size)))?;
    Ok(())
}

/// The peers of `block`, in the zone that it names, if any.
pub(super) fn peers(
    loading: &mut Loading,
    block: &Block,
    configs: Vec<PeerConfig>,
) -> Result<Peers, Refused> {
    let Some(name) = &block.zone else {
        if !block.named.is_empty() {
            return Err(Refused::new(format!(
                "resolving names at run time requires upstream \"{}\" to be in shared memory",
                block.name
            )));
        }
        if block.has_state {
            return Err(Refused::new(format!(
                "\"state\" requires upstream \"{}\" to be in shared memory",
                block.name
            )));
        }
        return Ok(Peers::new(configs));
    };
    let zones = limits::zones(loading);
    let zone = zones.get(name).filter(|zone| zone.kind() == KIND);
    let zone =
        zone.ok_or_else(|| Refused::new(format!("zero size shared memory zone \"{name}\"")))?;
    let previous = zones.previous(name, KIND);
    let keep = |old: &PeerConfig| resolve::keep(&block.named, old);
    let earlier = previous.as_ref().map(|zone| Earlier { zone, keep: &keep });
    Peers::shared(&zone, &block.name, configs, earlier).map_err(|full| {
        let group = &block.name;
        Refused::new(format!("{full} \"{name}\" for upstream \"{group}\""))
    })
}
