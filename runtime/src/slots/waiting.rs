//! Who waits for a connection.

use super::Parked;
use std::rc::Rc;
use std::task::Waker;

/// Who waits for a connection. Nearly always one task waits for both directions with one
/// waker, so that only two tasks on one connection take more than this.
#[derive(Default)]
pub(crate) enum Waiting {
    #[default]
    Nobody,
    /// No task: the owner is called when something happens.
    Parked(Rc<dyn Parked>),
    Reader(Waker),
    Writer(Waker),
    /// One task waits for both directions.
    Both(Waker),
    /// A reading and a writing task.
    Each(Box<(Waker, Waker)>),
}

impl Waiting {
    /// Adds or replaces the reader. What it returns must be dropped outside of any borrow,
    /// since dropping a foreign waker can run anything.
    #[must_use]
    pub(crate) fn set_reader(&mut self, waker: &Waker) -> Self {
        let new = match self {
            Self::Reader(old) | Self::Both(old) if old.will_wake(waker) => return Self::Nobody,
            Self::Each(pair) if pair.0.will_wake(waker) => return Self::Nobody,
            Self::Nobody | Self::Parked(_) | Self::Reader(_) => Self::Reader(waker.clone()),
            Self::Writer(writer) => join(waker.clone(), writer.clone()),
            Self::Both(writer) => join(waker.clone(), writer.clone()),
            Self::Each(pair) => join(waker.clone(), pair.1.clone()),
        };
        std::mem::replace(self, new)
    }

    /// Adds or replaces the writer; as [`Self::set_reader`].
    #[must_use]
    pub(crate) fn set_writer(&mut self, waker: &Waker) -> Self {
        let new = match self {
            Self::Writer(old) | Self::Both(old) if old.will_wake(waker) => return Self::Nobody,
            Self::Each(pair) if pair.1.will_wake(waker) => return Self::Nobody,
            Self::Nobody | Self::Parked(_) | Self::Writer(_) => Self::Writer(waker.clone()),
            Self::Reader(reader) => join(reader.clone(), waker.clone()),
            Self::Both(reader) => join(reader.clone(), waker.clone()),
            Self::Each(pair) => join(pair.0.clone(), waker.clone()),
        };
        std::mem::replace(self, new)
    }

    /// Takes those who are concerned by a change of these directions.
    pub(crate) fn take(&mut self, readable: bool, writable: bool) -> Self {
        match std::mem::take(self) {
            Self::Parked(owner) if !readable => {
                *self = Self::Parked(owner);
                Self::Nobody
            }
            Self::Reader(waker) if !readable => {
                *self = Self::Reader(waker);
                Self::Nobody
            }
            Self::Writer(waker) if !writable => {
                *self = Self::Writer(waker);
                Self::Nobody
            }
            Self::Each(pair) if readable != writable => {
                let (reader, writer) = *pair;
                if readable {
                    *self = Self::Writer(writer);
                    Self::Reader(reader)
                } else {
                    *self = Self::Reader(reader);
                    Self::Writer(writer)
                }
            }
            concerned => concerned,
        }
    }
}

fn join(reader: Waker, writer: Waker) -> Waiting {
    if reader.will_wake(&writer) {
        Waiting::Both(reader)
    } else {
        Waiting::Each(Box::new((reader, writer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wake(waiting: Waiting) {
        match waiting {
            Waiting::Nobody | Waiting::Parked(_) => {}
            Waiting::Reader(waker) | Waiting::Writer(waker) | Waiting::Both(waker) => waker.wake(),
            Waiting::Each(pair) => {
                pair.0.wake();
                pair.1.wake();
            }
        }
    }

    #[test]
    fn each_direction_wakes_its_own_task() {
        let (reader, writer) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let count = |c: &Count| c.0.load(Ordering::Relaxed);
        let mut waiting = Waiting::Nobody;
        drop(waiting.set_writer(&Arc::clone(&writer).into()));
        drop(waiting.set_reader(&Arc::clone(&reader).into()));
        wake(waiting.take(true, false));
        assert_eq!((count(&reader), count(&writer)), (1, 0));
        wake(waiting.take(true, false));
        assert_eq!((count(&reader), count(&writer)), (1, 0), "woken once");
        wake(waiting.take(true, true));
        assert_eq!((count(&reader), count(&writer)), (1, 1));
    }

    #[test]
    fn one_task_takes_no_box() {
        let task: Waker = Arc::new(Count::default()).into();
        let mut waiting = Waiting::Nobody;
        drop(waiting.set_reader(&task));
        drop(waiting.set_writer(&task));
        assert!(matches!(waiting, Waiting::Both(_)));
    }
}
