//! `queue number [timeout=time]`: requests wait for a server instead of being refused.
//!
//! Source: nginx documentation, ngx_http_upstream_module (there of the commercial version).

use super::{Nothing, current};
use engine::directive::custom;
use engine::{Arity, Contexts, Directive, Line, Refused, Slot};
use http::Module;
use http::gateway::queue::Queue;

/// Milliseconds that a request waits where nothing else is said.
const TIMEOUT: u64 = 60_000;

const DIRECTIVES: &[Directive<Nothing>] = &[custom(
    "queue",
    Contexts::UPSTREAM,
    Arity::between(1, 2),
    |_, line| read(line),
)];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// Queues of groups.
pub(crate) static MODULE: Module = Module {
    name: "upstream_queue",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let number = base::units::parse_decimal(line.arg(0)).ok();
    let number = number.and_then(|number| usize::try_from(number).ok());
    let number = number
        .filter(|&number| number > 0)
        .ok_or_else(|| line.invalid_value(0))?;
    let timeout = match line.args().len() {
        1 => TIMEOUT,
        _ => line
            .arg(1)
            .strip_prefix(b"timeout=")
            .and_then(|time| base::units::parse_time_ms(time).ok())
            .ok_or_else(|| line.invalid_parameter(1))?,
    };
    let level = line.level;
    let queue = &mut current(line.loading, level)?.queue;
    if queue.is_some() {
        return Err(Refused::duplicate());
    }
    *queue = Some(Queue::new(number, timeout));
    Ok(())
}
