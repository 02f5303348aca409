//! Lists of conditions, as `early_hints` and `proxy_allow_upstream` have them (nginx:
//! predicates).

use crate::line::{Line, Refused};
use crate::template::Template;
use crate::variable::Lookup;

/// Texts with variables, each of which is true unless it comes to nothing or to `0`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    all: Vec<Template>,
}

impl Conditions {
    /// Adds every argument of `line`.
    ///
    /// # Errors
    ///
    /// What a text with variables is refused for.
    pub fn add(&mut self, line: &mut Line<'_>) -> Result<(), Refused> {
        for index in 0..line.args().len() {
            let condition = line.template(index)?;
            self.all.push(condition);
        }
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether one of them is true.
    pub fn any(&self, session: &dyn Lookup) -> bool {
        self.all.iter().any(|condition| is_true(condition, session))
    }

    /// Whether all of them are true.
    pub fn all(&self, session: &dyn Lookup) -> bool {
        self.all.iter().all(|condition| is_true(condition, session))
    }
}

fn is_true(condition: &Template, session: &dyn Lookup) -> bool {
    !matches!(&condition.eval(session)[..], b"" | b"0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variable::VariableId;

    struct Nothing;

    impl Lookup for Nothing {
        fn write_variable(&self, _: VariableId, _: &mut Vec<u8>) -> bool {
            false
        }

        fn write_capture(&self, _: usize, _: &mut Vec<u8>) -> bool {
            false
        }
    }

    #[track_caller]
    fn check(texts: &[&str], any: bool, all: bool) {
        let all_texts = texts.iter().map(|text| Template::constant(text.as_bytes()));
        let conditions = Conditions {
            all: all_texts.collect(),
        };
        let got = (conditions.any(&Nothing), conditions.all(&Nothing));
        assert_eq!(got, (any, all), "{texts:?}");
    }

    #[test]
    fn nothing_and_zero_are_false() {
        check(&["1"], true, true);
        check(&["0"], false, false);
        check(&["", "00"], true, false);
        check(&["", "0"], false, false);
        check(&[], false, true);
    }
}
