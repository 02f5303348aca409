//! `server name resolve [service=name]`: servers whose addresses are looked up while the server
//! works.
//!
//! The group is shared, so one worker looks for all: the first of the configuration, which has a
//! successor as soon as it dies. What it finds is compared with the peers that the name has in
//! the group; new ones are added before old ones are removed, and requests that these are serving
//! keep them. While no name server answers, or says that it cannot tell, the peers stay; so they
//! do over a reload, in the zone.
//!
//! Source: nginx documentation, ngx_http_upstream_module.

mod look;
mod named;

use engine::error_log::ErrorLogs;
use engine::inherit_fields;
use engine::resolver::Resolver;
use engine::{Refused, Setting, Slot};
use http::config::finish::Finishing;
use http::core::error_log::ERROR_LOG;
use http::core::resolver::RESOLVING;
use http::gateway::Upstream;
use http::worker::HttpWorker;
pub(super) use named::{Named, keep, read_service};
use runtime::Millis;
use std::rc::Rc;

/// A group with names to be looked up again and again.
struct Watch {
    group: Rc<Upstream>,
    named: Vec<Named>,
    resolver: Rc<Resolver>,
    timeout: Millis,
    logs: ErrorLogs,
}

/// All of a configuration, for workers that start.
#[derive(Clone, Default)]
pub(super) struct Watches {
    all: Setting<Vec<Rc<Watch>>>,
}

inherit_fields!(Watches { all });

pub(super) static WATCHES: Slot<Watches> = Slot::main(&[]);

/// Notes that the names of `group` are to be looked up; its block is level `level`.
///
/// # Errors
///
/// `no resolver defined to resolve names at run time in upstream "..."`.
pub(super) fn watch(
    finishing: &mut Finishing<'_>,
    level: u32,
    group: &Rc<Upstream>,
    named: Vec<Named>,
) -> Result<(), Refused> {
    let settings = finishing.arena.levels.get_mut(level as usize);
    let entries = settings.map(|level| &mut level.location[..]);
    let entries = entries.unwrap_or_default();
    let resolving = RESOLVING.edit(entries).map(|resolving| {
        let resolver = (*resolving.resolver).clone();
        (resolver, *resolving.timeout)
    });
    let logs = ERROR_LOG
        .edit(entries)
        .map(|settings| (*settings.logs).clone());
    let Some((Some(resolver), timeout)) = resolving else {
        return Err(Refused::new(format!(
            "no resolver defined to resolve names at run time in upstream \"{}\"",
            group.name
        )));
    };
    if let Some(watches) = WATCHES.edit(&mut finishing.arena.main) {
        watches.all.edit().push(Rc::new(Watch {
            group: Rc::clone(group),
            named,
            resolver,
            timeout,
            logs: logs.unwrap_or_default(),
        }));
    }
    Ok(())
}

/// Begins to look up the names of all groups, if this is the worker to do so.
pub(super) fn start_worker(server: &Rc<HttpWorker>) {
    if server.number() != 0 {
        return;
    }
    for watch in WATCHES.of(&server.generation.main).all.iter() {
        let mut marks: Vec<&str> = Vec::new();
        for named in &watch.named {
            let mark = named.mark();
            // Lines that say the same are looked up together.
            if !marks.contains(&mark) {
                marks.push(mark);
                let following =
                    look::follow(Rc::downgrade(server), Rc::clone(watch), mark.to_owned());
                server.worker.spawn(following);
            }
        }
    }
}
