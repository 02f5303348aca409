//! Looking for the servers of a group, again and again, and giving the group what was found.

use super::Watch;
use super::named::{Named, Target, peers_of_service};
use engine::peer::PeerConfig;
use engine::resolver::{Failure, Service};
use http::worker::HttpWorker;
use runtime::log::Level;
use runtime::{Millis, Worker};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::Poll;

/// Shortest time between two looks.
const PAUSE_MIN: Millis = 1_000;

/// Longest time until the next look after one that failed.
const PAUSE_AFTER_FAILURE: Millis = 5_000;

/// When a name that does not exist is looked up again, without `valid`. Source: nginx 1.31.5.
const PAUSE_AFTER_NOTHING: Millis = 10_000;

/// Servers of a service that are looked up at a time: each takes two sockets.
const TARGETS_AT_ONCE: usize = 16;

/// Most addresses of all servers of a service together: as many as one answer may have, so that
/// answers of thousands of servers with thousands of addresses do not multiply.
const ADDRESSES_MAX: usize = 4096;

/// Looks up the servers that are marked with `mark` for as long as the worker serves.
pub(super) async fn follow(server: Weak<HttpWorker>, watch: Rc<Watch>, mark: String) {
    let worker = Worker::current();
    let serves = || {
        let server = server.upgrade();
        server.is_some_and(|server| !server.is_draining.get())
    };
    while serves() {
        let pause = watch.look(&mark).await;
        worker.sleep(pause.max(PAUSE_MIN)).await;
    }
}

/// What was found, and until when it is valid.
struct Sighting {
    /// Each with what its line makes of it.
    peers: Vec<PeerConfig>,
    /// Names of servers that nobody could tell about: their peers stay.
    unknown: Vec<String>,
    /// Milliseconds until it is to be looked for again.
    pause: Millis,
}

impl Watch {
    /// Looks once; gives the milliseconds until the next time.
    async fn look(&self, mark: &str) -> Millis {
        let of_mark = self.named.iter().filter(|named| named.mark() == mark);
        let lines: Vec<&Named> = of_mark.collect();
        let Some(first) = lines.first() else {
            return PAUSE_AFTER_NOTHING;
        };
        let sighting = match &first.service {
            None => self.find_addresses(first, &lines).await,
            Some(service) => self.find_services(mark, first, service, &lines).await,
        };
        match sighting {
            Ok(sighting) => {
                self.settle(mark, &sighting);
                sighting.pause
            }
            Err(Failure::NOT_FOUND) => {
                let nothing = Sighting {
                    peers: Vec::new(),
                    unknown: Vec::new(),
                    pause: self.pause_after_nothing(),
                };
                self.settle(mark, &nothing);
                nothing.pause
            }
            Err(_) => self.pause_after_failure(),
        }
    }

    fn pause_after_nothing(&self) -> Millis {
        self.resolver.config().valid.unwrap_or(PAUSE_AFTER_NOTHING)
    }

    fn pause_after_failure(&self) -> Millis {
        self.timeout.min(PAUSE_AFTER_FAILURE)
    }

    async fn find_addresses(&self, first: &Named, lines: &[&Named]) -> Result<Sighting, Failure> {
        let resolver = &self.resolver;
        let found = resolver.fresh_addresses(&first.host, self.timeout).await;
        let found = found.inspect_err(|failure| {
            self.log(&format!("{} could not be resolved ({failure})", first.host));
        })?;
        let peers = lines
            .iter()
            .flat_map(|line| found.items.iter().map(|&ip| line.peer(ip, line.port)));
        Ok(Sighting {
            peers: peers.collect(),
            unknown: Vec::new(),
            pause: until(found.valid_until),
        })
    }

    async fn find_services(
        &self,
        mark: &str,
        first: &Named,
        service: &str,
        lines: &[&Named],
    ) -> Result<Sighting, Failure> {
        let host = &first.host;
        let name = first.service_name(service);
        let found = self.resolver.fresh_services(&name, self.timeout).await;
        let found = found.inspect_err(|failure| {
            self.log(&format!(
                "service {service} of {host} could not be resolved ({failure})"
            ));
        })?;
        let mut pause = until(found.valid_until);
        let mut targets = Vec::new();
        let mut room = ADDRESSES_MAX;
        for some in found.items.chunks(TARGETS_AT_ONCE) {
            let looks = some.iter().map(|item| self.find_target(item));
            for (mut target, again, failure) in all(looks).await {
                pause = pause.min(again);
                target.cut(&mut room);
                if let Some(failure) = failure {
                    let name = &target.service.target;
                    self.log(&format!(
                        "{name} could not be resolved ({failure}) while resolving service \
                         {service} of {host}"
                    ));
                }
                targets.push(target);
            }
        }
        if room == 0 {
            self.log(&format!(
                "service {service} of {host} has {ADDRESSES_MAX} addresses or more: no more are used"
            ));
        }
        let present = self.group.peers.list();
        let is_present = |name: &str| {
            let mut own = present
                .iter()
                .filter(|peer| peer.config.found_by.as_deref() == Some(mark));
            own.any(|peer| *peer.config.server == *name)
        };
        let peers = lines
            .iter()
            .flat_map(|line| peers_of_service(line, &targets, is_present));
        let unknown = targets.iter().filter(|target| target.is_unknown);
        Ok(Sighting {
            peers: peers.collect(),
            unknown: unknown
                .map(|target| target.service.target.clone())
                .collect(),
            pause,
        })
    }

    /// A server of a service, the milliseconds until it is looked up again, and why it has no
    /// addresses.
    async fn find_target(&self, service: &Service) -> (Target, Millis, Option<Failure>) {
        let resolver = &self.resolver;
        let found = resolver.fresh_addresses(&service.target, self.timeout);
        let mut target = Target {
            service: service.clone(),
            ips: Vec::new(),
            is_unknown: false,
        };
        match found.await {
            Ok(found) => {
                target.ips = found.items;
                (target, until(found.valid_until), None)
            }
            Err(Failure::NOT_FOUND) => {
                (target, self.pause_after_nothing(), Some(Failure::NOT_FOUND))
            }
            Err(failure) => {
                target.is_unknown = true;
                (target, self.pause_after_failure(), Some(failure))
            }
        }
    }

    /// Makes the group have the peers that were found.
    fn settle(&self, mark: &str, sighting: &Sighting) {
        let mut missing = sighting.peers.clone();
        let mut gone = Vec::new();
        for peer in self.group.peers.list() {
            if peer.config.found_by.as_deref() != Some(mark) {
                continue;
            }
            let is_unknown = || {
                let mut unknown = sighting.unknown.iter();
                unknown.any(|name| **name == *peer.config.server)
            };
            match missing.iter().position(|config| *config == *peer.config) {
                Some(at) => {
                    missing.swap_remove(at);
                }
                None if is_unknown() => {}
                None => gone.push(peer.id),
            }
        }
        // A group is never empty in between, as long as its zone has room for both.
        missing.retain(|config| self.group.peers.add(config.clone()).is_err());
        for id in gone {
            self.group.peers.remove(id);
        }
        for config in missing {
            if self.group.peers.add(config).is_err() {
                self.log(&format!(
                    "cannot add new server to upstream \"{}\", memory exhausted",
                    self.group.name
                ));
                break;
            }
        }
    }

    fn log(&self, message: &str) {
        let logger = self.logs.logger();
        logger.log(Level::Error, message);
    }
}

/// Milliseconds from now until `time`.
fn until(time: Millis) -> Millis {
    time.saturating_sub(Worker::current().now())
}

/// What all of `futures` give, which are waited for together.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    poll_fn(move |cx| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(cx)
            {
                *done = Some(output);
            }
        }
        if done.iter().any(Option::is_none) {
            return Poll::Pending;
        }
        Poll::Ready(done.drain(..).flatten().collect())
    })
    .await
}
