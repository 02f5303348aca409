//! The zones of a configuration, and what of them outlives a reload.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use crate::zone::Zone;

/// All zones of one configuration by name.
///
/// A reload asks [`Zones::successor`] for the next registry and fills it in: zones of the same
/// name, kind and size are taken over with what is in them, others are made. If the reload fails,
/// the successor is dropped and nothing has changed.
#[derive(Debug, Default)]
pub struct Zones {
    current: RefCell<BTreeMap<String, Rc<Zone>>>,
    previous: RefCell<BTreeMap<String, Rc<Zone>>>,
}

impl Zones {
    /// No zones, and none to take over.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The registry of the next configuration, which may take over zones of this one.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self {
            current: RefCell::default(),
            previous: self.current.clone(),
        }
    }

    /// The zone `name`: the one of this configuration, else that of the last one, else a new one.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when this configuration has the name already with another kind or size, else
    /// what [`Zone::new`] says.
    pub fn get_or_create(
        &self,
        name: &str,
        kind: &'static str,
        size: usize,
    ) -> io::Result<Rc<Zone>> {
        let previous = self.previous.borrow().get(name).cloned();
        self.obtain(name, kind, size, previous)
    }

    /// The zone `name`: the one of this configuration, else a new one, whatever the last one had:
    /// for what is filled anew by each configuration, with what it takes over from
    /// [`Zones::previous`].
    ///
    /// # Errors
    ///
    /// As [`Zones::get_or_create`].
    pub fn create(&self, name: &str, kind: &'static str, size: usize) -> io::Result<Rc<Zone>> {
        self.obtain(name, kind, size, None)
    }

    fn obtain(
        &self,
        name: &str,
        kind: &'static str,
        size: usize,
        previous: Option<Rc<Zone>>,
    ) -> io::Result<Rc<Zone>> {
        // A zone's size is whole pages of memory.
        let fits = |zone: &Zone| {
            zone.kind() == kind && zone.size() >= size && zone.size() - size < crate::slab::PAGE
        };
        if let Some(zone) = self.get(name) {
            return if fits(&zone) {
                Ok(zone)
            } else {
                Err(io::ErrorKind::AlreadyExists.into())
            };
        }
        let zone = match previous {
            Some(zone) if fits(&zone) => zone,
            _ => Rc::new(Zone::new(name, kind, size)?),
        };
        self.current
            .borrow_mut()
            .insert(name.to_owned(), Rc::clone(&zone));
        Ok(zone)
    }

    /// The zone `name` of this kind in the last configuration.
    #[must_use]
    pub fn previous(&self, name: &str, kind: &str) -> Option<Rc<Zone>> {
        let previous = self.previous.borrow();
        let zone = previous.get(name).filter(|zone| zone.kind() == kind);
        zone.cloned()
    }

    /// The zone `name` of this configuration.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Rc<Zone>> {
        self.current.borrow().get(name).cloned()
    }

    /// Forgets the zones of the last configuration that were not taken over. Their memory goes once
    /// nobody holds them; processes that were started with them keep theirs.
    pub fn settle(&self) {
        self.previous.borrow_mut().clear();
    }

    /// Takes every lock away from the process `pid`, which has ended. Returns the names of the
    /// zones that it had locked.
    pub fn force_unlock(&self, pid: u32) -> Vec<String> {
        let (current, previous) = (self.current.borrow(), self.previous.borrow());
        let zones = current.values().chain(previous.values());
        zones
            .filter(|zone| zone.force_unlock(pid))
            .map(|zone| zone.name().to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 40_000;

    #[test]
    fn zones_are_kept_when_name_kind_and_size_match() {
        let old = Zones::new();
        let a = old.get_or_create("a", "limit_req", SIZE).unwrap();
        let b = old.get_or_create("b", "limit_req", SIZE).unwrap();
        let c = old.get_or_create("c", "limit_req", SIZE).unwrap();

        let new = old.successor();
        assert!(Rc::ptr_eq(
            &a,
            &new.get_or_create("a", "limit_req", SIZE).unwrap()
        ));
        assert!(!Rc::ptr_eq(
            &b,
            &new.get_or_create("b", "limit_req", SIZE * 2).unwrap()
        ));
        assert!(!Rc::ptr_eq(
            &c,
            &new.get_or_create("c", "limit_conn", SIZE).unwrap()
        ));
        assert!(
            Rc::ptr_eq(&b, &old.get("b").unwrap()),
            "the old registry is untouched"
        );
    }

    #[test]
    fn one_name_is_one_zone() {
        let zones = Zones::new();
        let a = zones.get_or_create("a", "k", SIZE).unwrap();
        assert!(Rc::ptr_eq(
            &a,
            &zones.get_or_create("a", "k", SIZE).unwrap()
        ));
        assert_eq!(
            zones.get_or_create("a", "k", SIZE * 2).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(
            zones.get_or_create("a", "other", SIZE).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(
            zones.get_or_create("b", "k", 100).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn a_created_zone_is_new_and_leads_to_the_one_before() {
        let old = Zones::new();
        let first = old.create("a", "k", SIZE).unwrap();
        let new = old.successor();
        let second = new.create("a", "k", SIZE).unwrap();
        assert!(!Rc::ptr_eq(&first, &second));
        assert!(Rc::ptr_eq(&first, &new.previous("a", "k").unwrap()));
        assert!(new.previous("a", "other").is_none());
        assert!(Rc::ptr_eq(&second, &new.create("a", "k", SIZE).unwrap()));
        assert_eq!(
            new.create("a", "k", SIZE * 2).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
    }

    #[test]
    fn settling_frees_what_nobody_took_over() {
        let old = Zones::new();
        let weak = Rc::downgrade(&old.get_or_create("a", "k", SIZE).unwrap());
        let new = old.successor();
        drop(old);
        assert!(weak.upgrade().is_some());
        new.settle();
        assert!(weak.upgrade().is_none());
    }
}
