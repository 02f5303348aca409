//! `health_check` and `match` as they are written.

use super::test_set::TestSet;
use engine::directive::{block, custom, lossy};
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot, inherit_fields};
use http::gateway::Upstream;
use runtime::Millis;
use shm::SharedCounters;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The checks of a location.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) checks: Setting<Vec<Check>>,
}

inherit_fields!(Settings {} own: { checks });

const DIRECTIVES: &[Directive<Settings>] = &[
    custom(
        "health_check",
        Contexts::LOCATION,
        Arity::ANY,
        |settings, line| {
            let check = Check::read(line)?;
            settings.checks.edit().push(check);
            Ok(())
        },
    ),
    block("match", Contexts::HTTP, Arity::ONE, |_, line| {
        read_match(line)
    }),
];

pub(super) static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// The `match` blocks of a configuration.
#[derive(Default)]
pub(super) struct TestSets {
    pub(super) by_name: BTreeMap<String, Rc<TestSet>>,
}

fn read_match(line: &mut Line<'_>) -> Result<(), Refused> {
    let read = TestSet::read(line);
    let name = lossy(line.arg(0));
    let sets = &mut line.loading.shared::<TestSets>().by_name;
    // One that is refused is known all the same: whoever names it has made no mistake.
    let refused = read.as_ref().err().cloned();
    match sets.insert(name.clone(), Rc::new(read.unwrap_or_default())) {
        None => refused.map_or(Ok(()), Err),
        Some(_) => Err(Refused::new(format!("duplicate match \"{name}\""))),
    }
}

/// Until when a peer is not used that was never checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mandatory {
    /// It is used at once.
    No,
    /// Until its first check is completed, after every reload.
    Yes,
    /// The same, unless it was healthy before the reload.
    Persistent,
}

/// One `health_check`.
#[derive(Clone, Debug)]
pub(super) struct Check {
    /// Milliseconds from one check to the next.
    pub(super) interval: Millis,
    /// Most milliseconds by which each is delayed.
    pub(super) jitter: Millis,
    /// Failures in a row that make a peer unhealthy.
    pub(super) fails: u32,
    /// Successes in a row that make it healthy.
    pub(super) passes: u32,
    pub(super) uri: Vec<u8>,
    pub(super) mandatory: Mandatory,
    /// The `match` block that it names.
    pub(super) match_name: Option<String>,
    /// Instead of the peer's own.
    pub(super) port: Option<u16>,
    /// Milliseconds that a connection is used for; 0 to use none twice.
    pub(super) keepalive_time: Millis,
    pub(super) position: conf::Position,
    /// What is known once all is read.
    pub(super) found: Option<Found>,
}

/// What a check refers to.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) tests: Rc<TestSet>,
    /// Whose peers are checked.
    pub(super) upstream: Rc<Upstream>,
    /// Its number among the checks of the group.
    pub(super) number: u32,
    /// The level of the server that it stands in.
    pub(super) server: u32,
    /// Who does the group's checks: a row for each group.
    pub(super) leases: Rc<SharedCounters>,
    /// The group's row.
    pub(super) lease: usize,
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "check {} of {}", self.number, self.upstream.name)
    }
}

impl Check {
    fn new(position: conf::Position) -> Self {
        Self {
            interval: 5000,
            jitter: 0,
            fails: 1,
            passes: 1,
            uri: b"/".to_vec(),
            mandatory: Mandatory::No,
            match_name: None,
            port: None,
            keepalive_time: 0,
            position,
            found: None,
        }
    }

    /// Reads `health_check [parameters]`.
    fn read(line: &Line<'_>) -> Result<Self, Refused> {
        let mut check = Self::new(line.directive.end);
        for index in 0..line.args().len() {
            let word = line.arg(index);
            let (name, value) = match base::bytes::split_once(word, b'=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            match (name, value) {
                (b"type", Some(b"http")) => continue,
                (b"type", value) => return Err(no_type(value.unwrap_or_default())),
                _ => {}
            }
            check
                .set(name, value)
                .ok_or_else(|| line.invalid_parameter(index))?;
        }
        Ok(check)
    }

    /// Sets one parameter; `None` when it is none, or its value is not valid.
    fn set(&mut self, name: &[u8], value: Option<&[u8]>) -> Option<()> {
        let Some(value) = value else {
            self.mandatory = match (name, self.mandatory) {
                (b"mandatory", Mandatory::No) => Mandatory::Yes,
                (b"persistent", Mandatory::Yes) => Mandatory::Persistent,
                _ => return None,
            };
            return Some(());
        };
        let time = || base::units::parse_time_ms(value).ok();
        let count = || {
            let count = base::units::parse_decimal(value).ok()?;
            u32::try_from(count).ok().filter(|&count| count > 0)
        };
        match name {
            b"interval" => self.interval = time().filter(|&time| time > 0)?,
            b"jitter" => self.jitter = time()?,
            b"fails" => self.fails = count()?,
            b"passes" => self.passes = count()?,
            b"keepalive_time" => self.keepalive_time = time()?,
            b"port" => self.port = Some(u16::try_from(count()?).ok()?),
            b"match" if !value.is_empty() => self.match_name = Some(lossy(value)),
            b"uri" if is_uri(value) => self.uri = value.to_vec(),
            _ => return None,
        }
        Some(())
    }
}

/// Whether `value` can be asked for as it is.
fn is_uri(value: &[u8]) -> bool {
    value.starts_with(b"/") && value.iter().all(u8::is_ascii_graphic)
}

fn no_type(value: &[u8]) -> Refused {
    Refused::new(match value {
        b"grpc" => "parameter \"type=grpc\" is not supported: it needs HTTP/2 to servers, which \
                    this build does not speak"
            .to_owned(),
        other => format!("invalid parameter \"type={}\"", lossy(other)),
    })
}

/// The check with `parameters`.
#[cfg(test)]
pub(super) fn read_for_test(parameters: &str) -> Check {
    let text = format!("health_check {parameters}");
    crate::testing::line(&text, |line| Check::read(line).unwrap())
}
