//! The rows of a group that one worker has to itself.

use super::counters::{Counters, Row, empty_row};
use super::peers::{List, Listed};
use super::{PeerConfig, PeerId};
use std::cell::RefCell;

/// Rows in memory of this process.
#[derive(Debug, Default)]
pub(super) struct Local {
    pub(super) rows: RefCell<Vec<Row>>,
}

impl Local {
    /// Lists another peer; `begin` sets its counters.
    pub(super) fn add(
        &self,
        list: &mut List,
        config: &PeerConfig,
        begin: impl FnOnce(Counters<'_>),
    ) -> PeerId {
        let mut rows = self.rows.borrow_mut();
        let free = rows.iter().position(|row| Counters::of(row).serial() == 0);
        let index = free.unwrap_or_else(|| {
            rows.push(empty_row());
            rows.len() - 1
        });
        list.last_serial += 1;
        let serial = list.last_serial;
        let counters = Counters::of(&rows[index]);
        begin(counters);
        counters.set_serial(u64::from(serial));
        list.rows.resize(rows.len(), None);
        list.rows[index] = Some(Listed::new(serial, config.clone()));
        list.version += 1;
        list.summarize();
        PeerId {
            row: u32::try_from(index).unwrap_or(u32::MAX),
            serial,
        }
    }

    /// Takes a peer off the list; says whether it was on it.
    pub(super) fn remove(&self, list: &mut List, id: PeerId) -> bool {
        let index = id.row as usize;
        let listed = list.rows.get_mut(index);
        let Some(listed) = listed.filter(|l| l.as_ref().is_some_and(|l| l.serial == id.serial))
        else {
            return false;
        };
        *listed = None;
        let rows = self.rows.borrow();
        let counters = Counters::of(&rows[index]);
        counters.set_leaving(1);
        if counters.connections() == 0 {
            counters.set_serial(0);
        }
        list.version += 1;
        list.summarize();
        true
    }
}
