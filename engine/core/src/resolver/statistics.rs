//! What resolvers asked and were told, counted by all workers together: `status_zone`.
//!
//! Source: nginx documentation, ngx_http_core_module and ngx_http_api_module ("Resolver Zone").

use super::Failure;
use crate::line::{Loading, Refused};
use crate::zones::{refusal, zones};
use dns::Kind;
use shm::{SMALLEST_ZONE, SharedMap};
use std::io;

/// What the zones are for.
const KIND: &str = "resolver";

/// Under what a zone has its counts.
const KEY: &[u8] = b"counts";

/// Numbers of questions: for addresses of a name, for servers of a service, for a name of an
/// address, which nobody here asks.
pub const REQUESTS: [&str; 3] = ["name", "srv", "addr"];

/// Numbers of answers, by what they say.
pub const RESPONSES: [&str; 8] = [
    "noerror", "formerr", "servfail", "nxdomain", "notimp", "refused", "timedout", "unknown",
];

const COUNTS: usize = REQUESTS.len() + RESPONSES.len();
const WORD: usize = size_of::<u64>();

/// The counts of one zone, which a reload keeps.
#[derive(Clone, Debug)]
pub struct Statistics(SharedMap);

impl Statistics {
    /// Those of the zone `name`, which several resolvers may share.
    ///
    /// # Errors
    ///
    /// `the shared memory zone "..." is already declared for a different use`, or what the kernel
    /// says.
    pub fn of_zone(loading: &mut Loading, name: &str) -> Result<Self, Refused> {
        let zones = zones(loading);
        let open = || -> io::Result<Self> {
            let zone = zones.get_or_create(name, KIND, SMALLEST_ZONE)?;
            Ok(Self(SharedMap::open(zone)?))
        };
        let size = SMALLEST_ZONE as u64;
        open().map_err(|error| refusal(&zones, &error, (name, KIND, size)))
    }

    /// The zone's name.
    pub fn name(&self) -> &str {
        self.0.zone().name()
    }

    /// How many of [`REQUESTS`] and of [`RESPONSES`] there were.
    pub fn read(&self) -> ([u64; REQUESTS.len()], [u64; RESPONSES.len()]) {
        let map = self.0.lock();
        let bytes = map.get(KEY).unwrap_or_default();
        let count = |index: usize| {
            let word = bytes
                .get(index * WORD..)
                .and_then(|rest| rest.first_chunk());
            word.map_or(0, |word| u64::from_ne_bytes(*word))
        };
        let responses = |index| count(REQUESTS.len() + index);
        (std::array::from_fn(count), std::array::from_fn(responses))
    }

    pub(super) fn count_request(&self, kind: Kind) {
        self.add(match kind {
            Kind::A | Kind::Aaaa => 0,
            Kind::Srv => 1,
        });
    }

    /// Counts what became of a question: a response code, or none in time.
    pub(super) fn count_response(&self, said: Result<u16, Failure>) {
        let response = match said {
            Ok(code @ 0..=5) => usize::from(code),
            Err(Failure::TimedOut) => 6,
            Err(Failure::FORMAT) => 1,
            Ok(_) | Err(_) => 7,
        };
        self.add(REQUESTS.len() + response);
    }

    fn add(&self, index: usize) {
        let mut map = self.0.lock();
        let counted = map.update(KEY, |bytes| {
            let rest = bytes.get_mut(index * WORD..);
            if let Some(word) = rest.and_then(|rest| rest.first_chunk_mut()) {
                *word = (u64::from_ne_bytes(*word) + 1).to_ne_bytes();
            }
        });
        if counted.is_none() {
            let mut bytes = [0; COUNTS * WORD];
            bytes[index * WORD..][..WORD].copy_from_slice(&1_u64.to_ne_bytes());
            // The zone holds nothing else.
            let _ = map.insert(KEY, &bytes);
        }
    }
}
