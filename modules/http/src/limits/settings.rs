//! What a location limits, and what becomes of a request that is too much.

use engine::directive::{flag, keyword, number};
use engine::{Contexts, Directive, Refused, Setting, inherit_fields};
use http::{Flow, Request};
use runtime::log::Level;
use std::rc::Rc;

/// The limits of a location, of kind `L`.
#[derive(Clone)]
pub(crate) struct Settings<L> {
    pub(crate) limits: Setting<Rc<Vec<L>>>,
    /// Whether a request that is too much is served like any other.
    pub(crate) dry_run: Setting<bool>,
    /// Index in [`LEVELS`], for rejections.
    log_level: Setting<usize>,
    status: Setting<u64>,
}

impl<L> Default for Settings<L> {
    fn default() -> Self {
        Self {
            limits: Setting::new(Rc::default()),
            dry_run: Setting::new(false),
            log_level: Setting::new(LEVELS.len() - 1),
            status: Setting::new(503),
        }
    }
}

inherit_fields!(Settings<L> {
    limits,
    dry_run,
    log_level,
    status,
});

/// The levels of [`LEVEL_WORDS`].
const LEVELS: [Level; 4] = [Level::Info, Level::Notice, Level::Warn, Level::Error];
const LEVEL_WORDS: &[&str] = &["info", "notice", "warn", "error"];

/// The rows of a kind of limits: `limit`, which adds one, and `NAME_dry_run`, `NAME_log_level`
/// and `NAME_status`, whose names are `others`.
pub(crate) const fn rows<L>(
    limit: Directive<Settings<L>>,
    others: [&'static str; 3],
) -> [Directive<Settings<L>>; 4] {
    let [dry_run, log_level, status] = others;
    [
        limit,
        flag(dry_run, Contexts::ALL, |s| &mut s.dry_run),
        keyword(log_level, Contexts::ALL, LEVEL_WORDS, |s| &mut s.log_level),
        number(status, Contexts::ALL, 400, 599, |s| &mut s.status),
    ]
}

impl<L: Clone> Settings<L> {
    /// Adds a limit, unless there is one already that `is_same`.
    pub(crate) fn add(&mut self, limit: L, is_same: impl Fn(&L) -> bool) -> Result<(), Refused> {
        if self.limits.iter().any(is_same) {
            return Err(Refused::duplicate());
        }
        let mut limits = self.limits.to_vec();
        limits.push(limit);
        self.limits.set(Rc::new(limits));
        Ok(())
    }
}

impl<L> Settings<L> {
    /// Logs a rejection.
    pub(crate) fn log(&self, request: &Request, message: &str) {
        self.log_below(request, 0, message);
    }

    /// Logs something that is `steps` levels less serious than a rejection.
    pub(crate) fn log_below(&self, request: &Request, steps: usize, message: &str) {
        let level = LEVELS.get(self.log_level.saturating_sub(steps));
        request.log(level.copied().unwrap_or(Level::Error), message);
    }

    /// The answer to a request that is too much.
    pub(crate) fn rejection(&self) -> Flow {
        Flow::Status(u16::try_from(*self.status).unwrap_or(503))
    }
}

/// What limits made of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Outcome {
    /// None of them is for it.
    #[default]
    Unlimited,
    Passed,
    Delayed,
    Rejected,
    DelayedDryRun,
    RejectedDryRun,
}

impl Outcome {
    /// Appends the word that `$limit_req_status` and `$limit_conn_status` have for it; `false`
    /// when there is none.
    pub(crate) fn write(self, out: &mut Vec<u8>) -> bool {
        let word = match self {
            Self::Unlimited => return false,
            Self::Passed => "PASSED",
            Self::Delayed => "DELAYED",
            Self::Rejected => "REJECTED",
            Self::DelayedDryRun => "DELAYED_DRY_RUN",
            Self::RejectedDryRun => "REJECTED_DRY_RUN",
        };
        out.extend_from_slice(word.as_bytes());
        true
    }
}
