//! Handing over to a new program, and being handed back (USR2).

use std::path::Path;

use runtime::log::Level;
use sys::process;

use super::Master;
use super::ending::Ending;
use crate::pid_file;
use crate::report::reason;
use crate::upgrade;

impl Master {
    pub(super) fn may_change_binary(&self) -> bool {
        self.new_program.is_none() && process::parent_id() != self.origin.parent
    }

    pub(super) fn change_binary(&mut self) {
        self.log(Level::Notice, "changing binary");
        let plan = self.running.configuration.plan();
        if let Some(path) = &plan.pid_file {
            let old = pid_file::old(path);
            if let Err(e) = pid_file::rename(path, &old) {
                let text = format!(
                    "rename() {} to {} failed before executing new binary process \"{}\"{}",
                    path.display(),
                    old.display(),
                    self.arguments
                        .first()
                        .map_or_else(String::new, |name| name.display().to_string()),
                    reason(&e)
                );
                self.log(Level::Alert, &text);
                return;
            }
            self.rename_status(&old);
        }
        let plan = self.running.configuration.plan();
        match upgrade::start(&self.arguments, plan, &self.running.listeners) {
            Ok(pid) => {
                self.new_program = Some(pid);
                self.log(Level::Notice, &format!("start new binary process {pid}"));
            }
            Err(e) => {
                self.log(Level::Alert, &format!("fork() failed{}", reason(&e)));
                self.take_back();
            }
        }
    }

    /// The new program has gone: everything is as it was before.
    pub(super) fn take_back(&mut self) {
        self.new_program = None;
        if let Some(path) = self.running.configuration.plan().pid_file.clone() {
            let old = pid_file::old(&path);
            if let Err(e) = pid_file::rename(&old, &path) {
                let text = format!(
                    "rename() {} back to {} failed after the new binary process exited{}",
                    old.display(),
                    path.display(),
                    reason(&e)
                );
                self.log(Level::Alert, &text);
            }
            self.rename_status(&path);
        }
        if !self.has_workers && self.ending == Ending::No {
            self.has_workers = true;
            self.start_workers();
        }
    }

    fn rename_status(&mut self, pid_file: &Path) {
        if let Some(Err(_)) = self.status.as_mut().map(|status| status.rename(pid_file)) {
            // Found under a name that is not its own, it would answer for somebody else.
            self.status = None;
        }
    }
}
