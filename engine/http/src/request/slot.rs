//! What modules remember about a request.

use super::Request;
use crate::config::generation::Generation;
use std::any::Any;
use std::cell::OnceCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What modules remember, one entry a slot.
pub(super) type StateEntries = Box<[OnceCell<Box<dyn Any>>]>;

/// Where a module keeps what it remembers about a request.
pub struct RequestSlot<T: 'static> {
    index: AtomicUsize,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: 'static> RequestSlot<T> {
    /// A slot, empty in every request. What is in it is forgotten when the request is redirected
    /// to another URI.
    pub const fn new() -> Self {
        Self {
            index: AtomicUsize::new(usize::MAX),
            of: std::marker::PhantomData,
        }
    }

    /// What is remembered.
    pub fn get<'r>(&self, request: &'r Request) -> Option<&'r T> {
        let entry = request.state.get()?.get(self.index())?;
        entry.get()?.downcast_ref()
    }

    /// What is remembered, to be changed.
    pub fn get_mut<'r>(&self, request: &'r mut Request) -> Option<&'r mut T> {
        let entry = request.state.get_mut()?.get_mut(self.index())?;
        entry.get_mut()?.downcast_mut()
    }

    /// What is remembered; if nothing is, what `make` makes from now on. For getters of
    /// variables, which must not change the request otherwise.
    pub fn get_or_init<'r>(&self, request: &'r Request, make: impl FnOnce() -> T) -> &'r T {
        let entry = &request.state_entries()[self.index()];
        entry
            .get_or_init(|| Box::new(make()))
            .downcast_ref()
            .expect("an index belongs to one slot, whose type made the entry")
    }

    /// Remembers `value` instead of what was.
    pub fn set(&self, request: &mut Request, value: T) {
        request.state_entries();
        if let Some(entries) = request.state.get_mut() {
            entries[self.index()] = OnceCell::from(Box::new(value) as Box<dyn Any>);
        }
    }

    /// Forgets, and gives what was remembered.
    pub fn take(&self, request: &mut Request) -> Option<T> {
        let entry = request.state.get_mut()?.get_mut(self.index())?;
        entry.take()?.downcast().ok().map(|value| *value)
    }

    fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed)
    }
}

impl<T: 'static> Default for RequestSlot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A request slot without its type.
pub trait AnyRequestSlot: Sync {
    /// Tells the slot its index; once, before any request.
    fn place(&self, index: usize);
}

impl<T: 'static> AnyRequestSlot for RequestSlot<T> {
    fn place(&self, index: usize) {
        self.index.store(index, Ordering::Relaxed);
    }
}

/// An entry for every slot, with nothing in it.
pub(super) fn empty_entries(generation: &Generation) -> StateEntries {
    let count = generation.state_count();
    std::iter::repeat_with(OnceCell::new).take(count).collect()
}

impl Request {
    fn state_entries(&self) -> &[OnceCell<Box<dyn Any>>] {
        self.state.get_or_init(|| empty_entries(&self.generation))
    }

    /// Forgets what modules remember.
    pub(crate) fn clear_state(&mut self) {
        self.state.take();
    }
}
