//! Values made where they stay.
//!
//! `Box::new` is given a value that is there already, and moves it. Most of what is large is a
//! future or a request that was made just for the box, of which a few fields are set so far: a copy
//! of a kilobyte for two words. What is made after the box has its memory is written there.

use std::pin::Pin;

/// `make`'s value in a box.
// Inlined, and `make` after the memory was found: nothing that may fail lies between making and
// keeping, so that nothing needs the value anywhere else.
#[inline(always)]
#[must_use]
pub fn boxed<T>(make: impl FnOnce() -> T) -> Box<T> {
    let room = Box::new_uninit();
    Box::write(room, make())
}

/// `make`'s value, a future for instance, in a box that it cannot leave.
#[inline(always)]
#[must_use]
pub fn pinned<T>(make: impl FnOnce() -> T) -> Pin<Box<T>> {
    Box::into_pin(boxed(make))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_holds_what_was_made() {
        let name = String::from("large");
        let made = boxed(|| (name, [7_u8; 4096]));
        assert_eq!((made.0.as_str(), made.1), ("large", [7; 4096]));
        assert_eq!(*pinned(|| 5), 5);
    }

    #[test]
    fn a_panic_of_the_maker_drops_what_it_had() {
        let witness = std::rc::Rc::new(());
        let inner = std::rc::Rc::clone(&witness);
        let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            boxed::<u8>(|| {
                let _dropped = inner;
                panic!("while making");
            })
        }));
        assert!(made.is_err());
        assert_eq!(std::rc::Rc::strong_count(&witness), 1);
    }
}
