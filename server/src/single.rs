//! One process that is master and worker at once (`master_process off`), for debugging.
//!
//! Source: `ngx_single_process_cycle()`, nginx 1.31.5.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use runtime::log::Level;
use shm::SharedCounters;
use sys::process;

use crate::configuration::{Loader, Running, notes};
use crate::environment;
use crate::master::Start;
use crate::pid_file;
use crate::report::Message;
use crate::signals::Action;
use crate::worker::{Command, Control, Sign, WorkerContext};

/// What the loop and its signals have in common.
struct Single {
    loader: Loader,
    running: RefCell<Running>,
    /// What runs once the loop has ended.
    next: RefCell<Option<Running>>,
}

/// Runs until told to stop. A reload ends the loop gracefully and starts it anew, if the new
/// configuration can be used.
///
/// # Errors
///
/// What could not be had.
pub(crate) fn run(start: Start) -> io::Result<()> {
    let Start {
        loader,
        running,
        signals,
        title,
        origin,
    } = start;
    let signals = Rc::new(signals);
    let title = Rc::new(RefCell::new(title));
    let counters = Rc::new(SharedCounters::new(1, loader.engine.counters().max(1))?);
    let supervision = Rc::new(SharedCounters::new(1, Sign::COUNT)?);
    let wanted = running.configuration.plan().environment.clone();
    process::replace_environment(&environment::select(&wanted, &process::environment()))?;

    let single = Rc::new(Single {
        loader,
        running: RefCell::new(running),
        next: RefCell::new(None),
    });
    loop {
        let configuration = Rc::clone(&single.running.borrow().configuration);
        let handler = Rc::clone(&single);
        let context = WorkerContext {
            number: 0,
            slot: 0,
            listeners: single.running.borrow().listeners.of_worker(0)?,
            counters: Rc::clone(&counters),
            zones: Rc::clone(&single.running.borrow().zones),
            supervision: Rc::clone(&supervision),
            control: Control {
                signals: Rc::clone(&signals),
                is_daemon: origin.is_daemon,
                is_child: false,
                log: configuration.log().clone(),
                otherwise: Some(Box::new(move |action| handler.obey(action))),
            },
            title: Rc::clone(&title),
            stuck_after: None,
            notice: None,
        };
        configuration.run_worker(context);
        let Some(next) = single.next.take() else {
            single.leave();
            return Ok(());
        };
        let previous = single.running.replace(next);
        let running = single.running.borrow();
        previous.listeners.remove_names(Some(&running.listeners));
        running.zones.settle();
    }
}

impl Single {
    /// Does what only a master does; a new configuration ends the loop that runs the old one.
    fn obey(&self, action: Action) -> Option<Command> {
        if action != Action::Reconfigure {
            return None;
        }
        let running = self.running.borrow();
        let log = |message: &Message| {
            let log = running.configuration.log();
            log.log(message.level, &message.text);
        };
        log(&Message::new(Level::Notice, "reconfiguring"));
        match self.loader.prepare(Some(&running), Vec::new()) {
            Ok(next) => {
                notes(&*next.configuration).iter().for_each(log);
                self.next.replace(Some(next));
                Some(Command::Quit)
            }
            Err(messages) => {
                messages.iter().for_each(log);
                None
            }
        }
    }

    fn leave(&self) {
        let running = self.running.borrow();
        let log = running.configuration.log();
        if let Some(path) = &running.configuration.plan().pid_file
            && let Err(text) = pid_file::remove(path)
        {
            log.log(Level::Alert, &text);
        }
        running.listeners.remove_names(None);
        log.log(Level::Notice, "exit");
    }
}
