//! What a location does to a request, compiled when the configuration loads.

use super::registry::Registry;
use crate::module::{Filter, Handler, Phase, Run};
use engine::SettingsTable;

/// In their order, which is that of their numbers.
const PHASES: [Phase; 8] = [
    Phase::PostRead,
    Phase::ServerRewrite,
    Phase::Rewrite,
    Phase::PreAccess,
    Phase::Access,
    Phase::PreContent,
    Phase::Content,
    Phase::Log,
];

/// The handlers and filters that one location needs, in the order in which they run.
#[derive(Default)]
pub struct Pipeline {
    phases: [Box<[Run]>; 8],
    next: [Option<Phase>; 8],
    /// Filters in the order of their stages.
    pub filters: Box<[Filter]>,
}

impl Pipeline {
    /// Chooses from all modules what a location with `settings` needs. Where its content has an
    /// `owner`, no other module answers.
    pub fn compile(
        registry: &Registry,
        settings: &SettingsTable,
        owner: Option<&'static str>,
    ) -> Self {
        let handlers = |phase: Phase| {
            let owner = owner.filter(|_| phase == Phase::Content);
            let modules = registry.modules.iter();
            let modules = modules.filter(|module| owner.is_none_or(|owner| owner == module.name));
            let all = modules.flat_map(|module| module.handlers.iter());
            let is_wanted = |h: &Handler| owner.is_some() || (h.is_enabled)(settings);
            let wanted = all.filter(|h| h.phase == phase && is_wanted(h));
            wanted.map(|handler| handler.run).collect()
        };
        let phases: [Box<[Run]>; 8] = PHASES.map(handlers);
        let has_handlers = |phase: &Phase| !phases[*phase as usize].is_empty();
        let answering = PHASES.into_iter().filter(|phase| *phase < Phase::Log);
        let answering: Vec<Phase> = answering.filter(has_handlers).collect();
        let next = PHASES.map(|phase| answering.iter().copied().find(|next| *next > phase));
        let modules = registry.modules.iter();
        let mut filters: Vec<Filter> = modules
            .flat_map(|module| module.filters.iter())
            .filter(|filter| (filter.is_enabled)(settings))
            .copied()
            .collect();
        filters.sort_by_key(|filter| filter.stage);
        Self {
            phases,
            next,
            filters: filters.into(),
        }
    }

    /// The next phase after `phase` in which there are handlers; `None` after the last that may
    /// answer.
    pub fn next(&self, phase: Phase) -> Option<Phase> {
        self.next[phase as usize]
    }

    /// The handlers of `phase`.
    pub fn handlers(&self, phase: Phase) -> &[Run] {
        &self.phases[phase as usize]
    }
}
