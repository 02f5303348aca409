//! What a request has computed: values of variables, and what its last pattern matched.

use super::Request;
use crate::variable::Kept;
use engine::pattern::{Groups, Pattern};
use engine::variable::{Lookup, VariableId};
use std::cell::Cell;
use std::rc::Rc;

/// How many variables may be computed for the sake of one another before that is a cycle.
const VARIABLE_DEPTH_MAX: u8 = 100;

/// Beside the depth: there was a cycle. A variable in it that names two others would be computed
/// twice as often at each level, so nothing more is computed until all levels are left.
const IN_CYCLE: u8 = 1 << 7;

/// One variable that is being computed; counted until this is dropped.
pub(crate) struct Depth<'r>(&'r Cell<u8>);

impl Drop for Depth<'_> {
    fn drop(&mut self) {
        let left = self.0.get() - 1;
        self.0.set(if left == IN_CYCLE { 0 } else { left });
    }
}

/// Variables are computed for the sake of one another without end.
pub(crate) struct Cycle {
    /// Whether nobody was told yet.
    pub(crate) is_news: bool,
}

/// The last match of a regular expression.
#[derive(Clone, Default)]
pub(super) struct Captures {
    pub(super) subject: Vec<u8>,
    pub(super) groups: Groups,
    /// A match was given up, and nobody has asked yet.
    pub(super) gave_up: bool,
}

impl Request {
    /// Matches `pattern`; on success its groups become `$1`... and its named groups get
    /// their values.
    ///
    /// A match that was given up because it took too long counts as none, with an error in
    /// the log; whoever decides by it asks [`Self::take_gave_up`].
    pub fn matches(&self, pattern: &Pattern, subject: &[u8]) -> bool {
        let mut captures = self.captures.borrow_mut();
        match pattern.captures(subject, &mut captures.groups) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(_) => {
                captures.gave_up = true;
                drop(captures);
                self.log(
                    runtime::log::Level::Error,
                    &format!(
                        "match of \"{}\" was given up after too many steps",
                        String::from_utf8_lossy(pattern.text())
                    ),
                );
                return false;
            }
        }
        captures.subject.clear();
        captures.subject.extend_from_slice(subject);
        for &(group, id) in pattern.names() {
            let value = captures.groups.get(group).copied().flatten();
            let value = value.and_then(|(start, end)| captures.subject.get(start..end));
            self.keep(id, Kept::Value(value.unwrap_or_default().into()));
        }
        true
    }

    /// Whether a match was given up since this was last asked. What was to be decided by it
    /// is not known then: a rule that denies must not be passed by making it hard to match.
    pub fn take_gave_up(&self) -> bool {
        std::mem::take(&mut self.captures.borrow_mut().gave_up)
    }

    /// Forgets the captures of the last match.
    pub fn clear_captures(&self) {
        self.captures.borrow_mut().groups.clear();
    }

    /// The value kept for a variable, if one is.
    pub(crate) fn kept(&self, id: VariableId) -> Option<Kept> {
        match self.kept.get()?.borrow().get(id.index()) {
            None | Some(Kept::Unknown) => None,
            Some(kept) => Some(kept.clone()),
        }
    }

    /// Keeps a variable's value for the rest of the request.
    pub(crate) fn keep(&self, id: VariableId, value: Kept) {
        let mut kept = self.kept.get_or_init(Rc::default).borrow_mut();
        if kept.len() <= id.index() {
            kept.resize(self.generation.variables.len(), Kept::Unknown);
        }
        if let Some(slot) = kept.get_mut(id.index()) {
            *slot = value;
        }
    }

    /// Begins to compute a variable.
    #[inline]
    pub(crate) fn descend(&self) -> Result<Depth<'_>, Cycle> {
        let depth = self.variable_depth.get();
        if depth < VARIABLE_DEPTH_MAX {
            self.variable_depth.set(depth + 1);
            return Ok(Depth(&self.variable_depth));
        }
        self.variable_depth.set(depth | IN_CYCLE);
        let is_news = depth & IN_CYCLE == 0;
        Err(Cycle { is_news })
    }

    /// Whatever is being computed depends on something that is not settled yet, as what a client
    /// claims to be before that was judged: it is not kept for the rest of the request.
    pub fn read_unsettled(&self) {
        self.unsettled.set(self.unsettled.get().wrapping_add(1));
    }

    /// How often something was read that is not settled yet.
    pub(crate) fn unsettled(&self) -> u32 {
        self.unsettled.get()
    }

    /// Forgets a kept value, so that the variable is computed again.
    pub fn forget(&self, id: VariableId) {
        if let Some(kept) = self.kept.get()
            && let Some(slot) = kept.borrow_mut().get_mut(id.index())
        {
            *slot = Kept::Unknown;
        }
    }

    /// Gives variable `id` a value, as the directive `set` does.
    pub fn set_variable(&mut self, id: VariableId, value: &[u8]) {
        let generation = Rc::clone(&self.generation);
        if let Some(entry) = generation.variables.get(id.index()) {
            entry.assign(id, self, value);
        }
    }

    /// The value of variable `id`.
    pub fn variable(&self, id: VariableId) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.write_variable(id, &mut out).then_some(out)
    }
}

impl Lookup for Request {
    fn write_variable(&self, id: VariableId, out: &mut Vec<u8>) -> bool {
        match self.generation.variables.get(id.index()) {
            Some(entry) => entry.write(id, self, out),
            None => false,
        }
    }

    fn write_capture(&self, number: usize, out: &mut Vec<u8>) -> bool {
        let captures = self.captures.borrow();
        let Some((start, end)) = captures.groups.get(number).copied().flatten() else {
            return false;
        };
        let value = captures.subject.get(start..end);
        out.extend_from_slice(value.unwrap_or_default());
        value.is_some()
    }
}
