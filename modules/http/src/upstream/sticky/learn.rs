//! `sticky learn`: servers begin sessions, and a zone remembers which server began which.
//!
//! A session is kept under the MD5 hash of its name: names may be long, and are secrets that need
//! not lie in shared memory. Its value is when it was last used, and the server's session id.

use super::Found;
use crate::limits;
use engine::directive::lossy;
use engine::{Line, Refused};
use http::Request;
use http::gateway::sticky::{Learned, Learns, Sticky};
use md5::{Digest, Md5};
use runtime::Millis;
use shm::{MapGuard, SMALLEST_ZONE, SharedMap};
use std::rc::Rc;

/// What the zones are for.
const KIND: &str = "sticky";

/// Milliseconds that a session is remembered where nothing else is said.
const TIMEOUT: Millis = 600_000;

/// How many sessions that are over are forgotten each time one is remembered: more than come,
/// so that none stay.
const FORGET_AT_ONCE: usize = 2;

/// How long the time of its last use is, in a session's value.
const TIME: usize = size_of::<Millis>();

struct Learn {
    lookup: Found,
    create: Found,
    sessions: SharedMap,
    timeout: Millis,
    when: Learns,
}

/// The sessions' zones of this configuration, with the groups that have them.
#[derive(Default)]
struct Taken(Vec<(String, String)>);

#[derive(Default)]
struct Parameters {
    lookup: Found,
    create: Found,
    zone: Option<(String, u64)>,
    timeout: Option<Millis>,
    is_early: bool,
}

fn refuse(why: &str) -> Refused {
    Refused::new(format!("\"sticky\" directive {why}"))
}

/// `sticky learn create=$variable lookup=$variable zone=name:size [timeout=time] [header] [sync]`
pub(super) fn read(line: &mut Line<'_>) -> Result<Rc<dyn Sticky>, Refused> {
    let mut parameters = Parameters::default();
    for index in 1..line.args().len() {
        parameters.read(line, index)?;
    }
    if parameters.lookup.0.is_empty() {
        return Err(refuse("\"lookup\" parameter is not specified"));
    }
    if parameters.create.0.is_empty() {
        return Err(refuse("\"create\" parameter is not specified"));
    }
    let zone = parameters.zone.take();
    let (name, size) = zone.ok_or_else(|| refuse("\"zone\" parameter is not specified"))?;
    let sessions = open(line, &name, size)?;
    Ok(Rc::new(Learn {
        lookup: parameters.lookup,
        create: parameters.create,
        sessions,
        timeout: parameters.timeout.unwrap_or(TIMEOUT),
        when: match parameters.is_early {
            true => Learns::AtHeader,
            false => Learns::AtEnd,
        },
    }))
}

impl Parameters {
    fn read(&mut self, line: &mut Line<'_>, index: usize) -> Result<(), Refused> {
        let word = line.arg(index);
        if let Some(value) = word.strip_prefix(b"zone=") {
            if self.zone.is_some() {
                return Err(refuse("duplicate zone"));
            }
            self.zone = Some(parse_zone(value)?);
        } else if let Some(value) = word.strip_prefix(b"timeout=") {
            if self.timeout.is_some() {
                return Err(refuse("duplicate timeout"));
            }
            let time = base::units::parse_time_ms(value).ok().filter(|&ms| ms > 0);
            self.timeout = Some(time.ok_or_else(|| refuse("invalid timeout"))?);
        } else if let Some(value) = word.strip_prefix(b"create=") {
            let variable = variable(value, "create")?;
            self.create.0.push(line.variable(variable));
        } else if let Some(value) = word.strip_prefix(b"lookup=") {
            let variable = variable(value, "lookup")?;
            self.lookup.0.push(line.variable(variable));
        } else if word == b"header" {
            self.is_early = true;
        } else if word == b"sync" {
            return Err(refuse(
                "cannot synchronize zones with other hosts: \"sync\"",
            ));
        } else {
            let word = lossy(word);
            return Err(Refused::new(format!("unknown parameter \"{word}\"")));
        }
        Ok(())
    }
}

fn variable<'v>(value: &'v [u8], parameter: &str) -> Result<&'v [u8], Refused> {
    let missing = || {
        refuse(&format!(
            "missing variable in the \"{parameter}\" parameter"
        ))
    };
    if value == b"$" {
        return Err(Refused::new("invalid variable name \"$\""));
    }
    value.strip_prefix(b"$").ok_or_else(missing)
}

/// `name:size`
fn parse_zone(value: &[u8]) -> Result<(String, u64), Refused> {
    let pair = base::bytes::split_once(value, b':');
    let (name, size) = pair.ok_or_else(|| refuse("zone size is not specified"))?;
    if name.is_empty() {
        return Err(refuse("zone name is not specified"));
    }
    let size = base::units::parse_size(size).map_err(|_| refuse("invalid zone size"))?;
    if size < SMALLEST_ZONE as u64 {
        return Err(refuse("zone is too small"));
    }
    Ok((lossy(name), size))
}

/// The sessions in zone `name`, which one group may have.
fn open(line: &mut Line<'_>, name: &str, size: u64) -> Result<SharedMap, Refused> {
    let level = line.level;
    let group = super::current(line.loading, level)?.name.clone();
    let taken = &mut line.loading.shared::<Taken>().0;
    if let Some((_, other)) = taken.iter().find(|(taken, _)| taken == name) {
        return Err(Refused::new(format!(
            "sticky zone \"{name}\" is already used in upstream \"{other}\""
        )));
    }
    taken.push((name.to_owned(), group));
    limits::open(line.loading, KIND, name, size)
}

impl Learn {
    fn is_over(&self, value: &[u8], now: Millis) -> bool {
        let last = value.first_chunk().map(|time| Millis::from_ne_bytes(*time));
        last.is_none_or(|last| now.saturating_sub(last) > self.timeout)
    }

    /// Whom `session` is bound to.
    fn look_up(&self, session: &[u8], now: Millis) -> Option<Vec<u8>> {
        let sessions = self.sessions.lock();
        let value = sessions.get(&Md5::digest(session))?;
        if self.is_over(value, now) {
            return None;
        }
        value.get(TIME..).map(<[u8]>::to_vec)
    }

    fn remember(&self, session: &Learned, session_id: &str, now: Millis) {
        let key = Md5::digest(&session.session);
        let mut sessions = self.sessions.lock();
        self.forget_old(&mut sessions, now);
        if session.is_new || sessions.get(&key).is_some() {
            let value = [&now.to_ne_bytes()[..], session_id.as_bytes()].concat();
            // With room for no session at all there is nothing to remember.
            let _ = sessions.insert_evicting(&key, &value);
        }
    }

    fn forget_old(&self, sessions: &mut MapGuard<'_>, now: Millis) {
        for _ in 0..FORGET_AT_ONCE {
            let oldest = sessions.oldest();
            if !oldest.is_some_and(|(_, value)| self.is_over(value, now)) {
                return;
            }
            sessions.remove_oldest();
        }
    }
}

impl Sticky for Learn {
    fn bound_to(&self, request: &Request, now: Millis) -> Option<Vec<u8>> {
        self.look_up(&self.lookup.of(request)?, now)
    }

    fn learns(&self) -> Option<Learns> {
        Some(self.when)
    }

    fn session_of(&self, request: &Request) -> Option<Learned> {
        let created = self.create.of(request);
        let is_new = created.is_some();
        let session = created.or_else(|| self.lookup.of(request))?;
        Some(Learned { session, is_new })
    }

    fn learn(&self, session: &Learned, session_id: &str) {
        let now = runtime::Worker::current().now();
        self.remember(session, session_id, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn() -> Learn {
        let zone = shm::Zone::new("z", KIND, SMALLEST_ZONE).unwrap();
        Learn {
            lookup: Found::default(),
            create: Found::default(),
            sessions: SharedMap::open(Rc::new(zone)).unwrap(),
            timeout: 1000,
            when: Learns::AtEnd,
        }
    }

    fn session(name: &str, is_new: bool) -> Learned {
        Learned {
            session: name.as_bytes().to_vec(),
            is_new,
        }
    }

    #[test]
    fn sessions_last_while_they_are_used() {
        let learn = learn();
        learn.remember(&session("s", false), "a", 100);
        assert_eq!(learn.look_up(b"s", 100), None);
        learn.remember(&session("s", true), "a", 100);
        assert_eq!(learn.look_up(b"s", 1100).as_deref(), Some(&b"a"[..]));
        assert_eq!(learn.look_up(b"s", 1101), None);
        learn.remember(&session("s", false), "b", 1000);
        assert_eq!(learn.look_up(b"s", 2000).as_deref(), Some(&b"b"[..]));
    }

    #[test]
    fn old_sessions_go_and_a_full_zone_takes_new_ones() {
        let learn = learn();
        for number in 0..10_000_u64 {
            learn.remember(&session(&number.to_string(), true), "a", number);
            assert!(learn.sessions.lock().len() <= 1002);
        }
        for number in 0..10_000 {
            learn.remember(&session(&number.to_string(), true), "a", 10_000);
        }
        assert!(learn.look_up(b"9999", 10_000).is_some());
        assert_eq!(learn.look_up(b"1", 10_000), None);
    }
}
