//! A configured value that remembers whether it was set.

use std::ops::Deref;

/// One directive's value at one level.
///
/// Inheritance is the same for every directive: what is unset here takes the outer
/// level's value. It is written once, in [`Setting::inherit`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setting<T> {
    value: T,
    is_set: bool,
}

impl<T> Setting<T> {
    /// An unset value with its default.
    pub const fn new(default: T) -> Self {
        Self {
            value: default,
            is_set: false,
        }
    }

    /// Sets the value at this level.
    pub fn set(&mut self, value: T) {
        self.value = value;
        self.is_set = true;
    }

    /// Whether this level, or one that it inherited from, set the value.
    pub fn is_set(&self) -> bool {
        self.is_set
    }

    /// The value, to be added to, and marks it as set: for directives that may repeat.
    pub fn edit(&mut self) -> &mut T {
        self.is_set = true;
        &mut self.value
    }

    /// Consumes the setting.
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T: Clone> Setting<T> {
    /// Takes the outer level's value, unless this level has its own.
    pub fn inherit(&mut self, outer: &Self) {
        if !self.is_set {
            self.clone_from(outer);
        }
    }
}

impl<T> Deref for Setting<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Settings that can take what they lack from the level around them.
pub trait Inherit {
    /// Fills whatever is unset here from `outer`.
    fn inherit(&mut self, outer: &Self);
}

/// Implements [`Inherit`] field by field.
///
/// Every field must be named, either to inherit or, after `own:`, to stay with its
/// level; a field that is forgotten does not compile.
#[macro_export]
macro_rules! inherit_fields {
    ($settings:ident $(<$kind:ident>)? { $($field:ident),* $(,)? } $(own: { $($own:ident),* $(,)? })?) => {
        impl$(<$kind>)? $crate::setting::Inherit for $settings$(<$kind>)? {
            fn inherit(&mut self, outer: &Self) {
                let Self { $($field,)* $($($own: _,)*)? } = self;
                $($field.inherit(&outer.$field);)*
                let _ = outer;
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_takes_the_outer_value_and_set_keeps_its_own() {
        let mut outer = Setting::new(1);
        outer.set(5);
        let mut inner = Setting::new(1);
        inner.inherit(&outer);
        assert_eq!((*inner, inner.is_set()), (5, true));

        let mut own = Setting::new(1);
        own.set(7);
        own.inherit(&outer);
        assert_eq!(*own, 7);
    }

    #[test]
    fn default_passes_through_two_levels_as_unset() {
        let outer = Setting::new(3);
        let mut inner = Setting::new(3);
        inner.inherit(&outer);
        assert_eq!((*inner, inner.is_set()), (3, false));
    }
}
