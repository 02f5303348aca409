//! Where a room keeps its settings at each level, found by index at run time.

use crate::context::{Arity, Contexts};
use crate::directive::Directive;
use crate::line::{Line, Refused};
use crate::setting::Inherit;
use std::any::Any;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which level of the configuration a slot's settings belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// One value for the whole subsystem.
    Main,
    /// One value a server, inherited from the subsystem's block.
    Server,
    /// One value a location, inherited from the location, server or block around it.
    Location,
}

/// The place of one room's settings at every level of one kind.
pub struct Slot<S: 'static> {
    level: Level,
    directives: &'static [Directive<S>],
    index: AtomicUsize,
}

impl<S> Slot<S> {
    /// Settings of the whole subsystem.
    pub const fn main(directives: &'static [Directive<S>]) -> Self {
        Self::new(Level::Main, directives)
    }

    /// Settings of a server.
    pub const fn server(directives: &'static [Directive<S>]) -> Self {
        Self::new(Level::Server, directives)
    }

    /// Settings of a location.
    pub const fn location(directives: &'static [Directive<S>]) -> Self {
        Self::new(Level::Location, directives)
    }

    const fn new(level: Level, directives: &'static [Directive<S>]) -> Self {
        Self {
            level,
            directives,
            index: AtomicUsize::new(usize::MAX),
        }
    }
}

impl<S: 'static> Slot<S> {
    /// This room's settings in `table`.
    #[inline]
    pub fn of<'t>(&self, table: &'t SettingsTable) -> &'t S {
        self.entry(table)
    }

    /// This room's settings in `table`, held by count: for what outlives a borrow.
    pub fn share(&self, table: &SettingsTable) -> Rc<S> {
        Rc::clone(self.entry(table))
    }

    #[inline]
    fn entry<'t>(&self, table: &'t SettingsTable) -> &'t Rc<S> {
        table.entries[self.index.load(Ordering::Relaxed)]
            .downcast_ref()
            .expect("an index belongs to one slot, whose type made the entry")
    }

    /// This room's settings while they are still being read.
    pub fn edit<'t>(&self, entries: &'t mut [Option<Box<dyn Any>>]) -> Option<&'t mut S> {
        let entry = entries.get_mut(self.index.load(Ordering::Relaxed))?;
        Self::unshared(entry.as_deref_mut()?)
    }

    /// The settings in an entry while they are still being read.
    fn unshared(entry: &mut dyn Any) -> Option<&mut S> {
        Rc::get_mut(entry.downcast_mut::<Rc<S>>()?)
    }
}

/// A directive as lists, errors and documents see it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The directive's name.
    pub name: &'static str,
    /// Where it may stand.
    pub contexts: Contexts,
    /// How many arguments it takes.
    pub arity: Arity,
    /// Whether it opens a block.
    pub is_block: bool,
}

/// A slot without its type, as a loader handles it.
pub trait AnySlot: Sync {
    /// The kind of level that the settings belong to.
    fn level(&self) -> Level;
    /// Tells the slot its index among the slots of its level; once, before any load.
    fn place(&self, index: usize);
    /// The index given by [`AnySlot::place`].
    fn index(&self) -> usize;
    /// The directives, in table order.
    fn rows(&self) -> Vec<Row>;
    /// Settings with every default, held by count.
    fn fresh(&self) -> Box<dyn Any>;
    /// Reads one use of directive `row` into `settings`.
    ///
    /// # Errors
    ///
    /// Whatever the directive's reader refuses.
    fn apply(&self, row: usize, settings: &mut dyn Any, line: &mut Line<'_>)
    -> Result<(), Refused>;
    /// Fills from `outer` what `settings` lack.
    fn inherit(&self, settings: &mut dyn Any, outer: &dyn Any);
}

impl<S: Default + Inherit + 'static> AnySlot for Slot<S> {
    fn level(&self) -> Level {
        self.level
    }

    fn place(&self, index: usize) {
        self.index.store(index, Ordering::Relaxed);
    }

    fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed)
    }

    fn rows(&self) -> Vec<Row> {
        let row = |d: &Directive<S>| Row {
            name: d.name,
            contexts: d.contexts,
            arity: d.arity,
            is_block: d.is_block,
        };
        self.directives.iter().map(row).collect()
    }

    fn fresh(&self) -> Box<dyn Any> {
        Box::new(Rc::new(S::default()))
    }

    fn apply(
        &self,
        row: usize,
        settings: &mut dyn Any,
        line: &mut Line<'_>,
    ) -> Result<(), Refused> {
        let settings = Self::unshared(settings).expect("the loader hands a slot its own settings");
        self.directives[row].apply(settings, line)
    }

    fn inherit(&self, settings: &mut dyn Any, outer: &dyn Any) {
        let settings = Self::unshared(settings).expect("the loader hands a slot its own settings");
        let outer: &Rc<S> = outer
            .downcast_ref()
            .expect("the loader hands a slot its own settings");
        settings.inherit(outer);
    }
}

/// The finished settings of one level, one entry a slot.
#[derive(Clone)]
pub struct SettingsTable {
    /// Each an `Rc` of a slot's settings. In a box, since to find what is in an `Rc<dyn Any>` takes
    /// longer than to follow another pointer.
    entries: Rc<[Box<dyn Any>]>,
}

impl SettingsTable {
    /// Freezes what a loader filled.
    pub fn freeze(entries: impl IntoIterator<Item = Box<dyn Any>>) -> Self {
        Self {
            entries: entries.into_iter().collect(),
        }
    }
}

impl Default for SettingsTable {
    fn default() -> Self {
        Self {
            entries: Rc::from([]),
        }
    }
}
