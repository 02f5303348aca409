//! What a configuration means: the tables of the engine and of every module put to use.

mod dynamic;
mod load;
mod options;
mod plan;
mod serve;
mod settings;

use crate::configuration::{Configuration, Engine, LoadRequest, Purpose, Refusal};
use crate::plan::ProcessPlan;
use crate::worker::WorkerContext;
use conf::{Error, Tree};
use http::config::registry::Registry;
use http::worker::Counter;
use load::Loaded;
use runtime::log::Logger;
use std::rc::Rc;

/// The engine with all modules.
pub struct Site {
    registry: Rc<Registry>,
    options: Vec<String>,
}

impl Site {
    /// The engine with the modules that are built in.
    #[must_use]
    pub fn new() -> Self {
        let registry = Rc::new(Registry::new(http_modules::MODULES));
        let options = options::of(&registry.modules);
        Self { registry, options }
    }

    /// Every directive, a line each: name, module, contexts and status, separated by tabs.
    #[must_use]
    pub fn list_directives(&self) -> String {
        let mut lines = settings::list();
        for module in &self.registry.modules {
            for row in module.settings.iter().flat_map(|slot| slot.rows()) {
                let contexts = row.contexts.names().join(",");
                lines.push(format!(
                    "{}\t{}\t{contexts}\timplemented",
                    row.name, module.name
                ));
            }
        }
        lines.sort();
        lines.join("\n") + "\n"
    }

    /// Every variable, a line each: name, with `*` for a family, module, nothing, and status,
    /// separated by tabs.
    #[must_use]
    pub fn list_variables(&self) -> String {
        let mut lines = Vec::new();
        for module in &self.registry.modules {
            for variable in module.variables {
                let star = if variable.is_family() { "*" } else { "" };
                lines.push(format!(
                    "{}{star}\t{}\t-\timplemented",
                    variable.name, module.name
                ));
            }
        }
        lines.sort();
        lines.join("\n") + "\n"
    }
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine for Site {
    fn load(&self, request: &LoadRequest<'_>) -> Result<Rc<dyn Configuration>, Refusal> {
        let mut loaded = load::load(request, &self.registry)?;
        let plan = plan::of(&loaded, request).map_err(|error| Refusal {
            tree: loaded.tree.clone(),
            errors: vec![Error::new(conf::Level::Emerg, error)],
        })?;
        if request.purpose != Purpose::Signal {
            keep_derived_files(&mut loaded);
        }
        Ok(Rc::new(LoadedSite {
            loaded,
            plan,
            prefix: request.paths.prefix.clone(),
            is_built_in: request.paths.built_in.is_some(),
        }))
    }

    fn counters(&self) -> usize {
        Counter::COUNT
    }

    fn gauges(&self) -> &[usize] {
        const GAUGES: [usize; 4] = [
            Counter::Active as usize,
            Counter::Reading as usize,
            Counter::Writing as usize,
            Counter::Waiting as usize,
        ];
        &GAUGES
    }

    fn built_in(&self) -> &[String] {
        &self.options
    }
}

/// Writes what was made of the configuration's files. Where that fails, the next start has to make
/// it again, which is worth a word and no more.
fn keep_derived_files(loaded: &mut Loaded) {
    for file in std::mem::take(&mut loaded.derived_files) {
        let path = file.path.display();
        let message = format!("creating {} \"{path}\"", file.kind);
        let written = file.write().map_err(|error| {
            let reason = http::error::os_error(&error);
            let message = format!("open() \"{path}\" failed ({reason})");
            Error::new(conf::Level::Crit, message).harmless()
        });
        let created = Error::new(conf::Level::Notice, message);
        loaded.warnings.extend([created]);
        loaded.warnings.extend(written.err());
    }
}

/// A configuration that can be run.
struct LoadedSite {
    loaded: Loaded,
    plan: ProcessPlan,
    prefix: std::path::PathBuf,
    /// Whether the text is the one in the program, which leaves no trace on the disk.
    is_built_in: bool,
}

impl Configuration for LoadedSite {
    fn plan(&self) -> &ProcessPlan {
        &self.plan
    }

    fn tree(&self) -> &Tree {
        &self.loaded.tree
    }

    fn notes(&self) -> &[Error] {
        &self.loaded.warnings
    }

    fn log(&self) -> &Logger {
        self.loaded.main.error_log.logger()
    }

    fn open_files(&self) -> Result<(), String> {
        self.loaded.log_files.open().map_err(|(path, error)| {
            format!(
                "open() \"{}\" failed ({})",
                path.display(),
                http::error::os_error(&error)
            )
        })?;
        if self.is_built_in {
            return Ok(());
        }
        self.make_folders()
    }

    fn reopen_files(&self, owner: Option<u32>) {
        for (path, error) in self.loaded.log_files.reopen() {
            let reason = http::error::os_error(&error);
            let message = format!("open() \"{}\" failed ({reason})", path.display());
            self.log().log(runtime::log::Level::Emerg, &message);
        }
        if let Some(owner) = owner {
            for handle in self.loaded.log_files.iter() {
                // Workers open the file anew by its name, which needs its owner to be theirs.
                if let Err(error) = sys::file::change_owner(handle.path(), owner, None) {
                    let path = handle.path().display();
                    let reason = http::error::os_error(&error);
                    let message = format!("chown(\"{path}\", {owner}) failed ({reason})");
                    let logger = self.log();
                    logger.log(runtime::log::Level::Alert, &message);
                }
            }
        }
    }

    fn run_worker(&self, context: WorkerContext) {
        serve::run(&self.loaded, &self.plan, &self.prefix, context);
    }
}

impl LoadedSite {
    /// Makes the folders for temporary files, and gives them to the workers' user.
    fn make_folders(&self) -> Result<(), String> {
        for folder in &self.loaded.temp_folders {
            match sys::file::create_directory(&***folder, 0o700) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let reason = http::error::os_error(&error);
                    return Err(format!(
                        "mkdir() \"{}\" failed ({reason})",
                        folder.display()
                    ));
                }
            }
            if let (0, Some(account)) = (sys::user::effective_user(), &self.plan.account) {
                let given = sys::file::change_owner(&***folder, account.uid, None);
                given.map_err(|error| {
                    let reason = http::error::os_error(&error);
                    format!(
                        "chown(\"{}\", {}) failed ({reason})",
                        folder.display(),
                        account.uid
                    )
                })?;
            }
        }
        Ok(())
    }
}
