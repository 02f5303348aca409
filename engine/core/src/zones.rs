//! Shared memory while a configuration loads.

use crate::line::{Loading, Refused};
use shm::Zones;
use std::io;
use std::rc::Rc;

/// The zones of the configuration that is being loaded.
pub fn zones(loading: &mut Loading) -> Rc<Zones> {
    let zones = loading.shared::<Option<Rc<Zones>>>();
    Rc::clone(zones.get_or_insert_with(Rc::default))
}

/// Why there is no such zone, in nginx's words.
pub fn refusal(zones: &Zones, error: &io::Error, (name, kind, size): (&str, &str, u64)) -> Refused {
    match (error.kind(), zones.get(name)) {
        (io::ErrorKind::AlreadyExists, Some(other)) if other.kind() != kind => Refused::new(
            format!("the shared memory zone \"{name}\" is already declared for a different use"),
        ),
        (io::ErrorKind::AlreadyExists, Some(other)) => Refused::new(format!(
            "the size {size} of shared memory zone \"{name}\" conflicts with already declared \
             size {}",
            other.size()
        )),
        _ => Refused::new(format!("shared memory zone \"{name}\": {error}")),
    }
}
