//! From the command line to whatever it asks for.
//!
//! Source: `main()` in nginx.c, nginx 1.31.5.

use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::rc::Rc;

use runtime::log::Level;
use shm::Zones;
use sys::process::{self, Title};
use sys::signal::{self, Signals};

use crate::cli::{self, Options, Request};
use crate::configuration::{Configuration, Engine, Loader, Purpose, Running, notes};
use crate::listeners::{self, Inherited, Listeners};
use crate::master::{Master, Origin, Start};
use crate::paths::Paths;
use crate::report::{Message, Reporter, print, reason};
use crate::{daemon, environment, identity, pid_file, send, signals, single};

/// Does what the command line asks for, with what `engine` makes of the configuration. Returns what
/// the process ends with: 0, or 1 when something went wrong.
pub fn run(engine: &'static dyn Engine) -> ExitCode {
    let Some(title) = Title::capture() else {
        print("nginx: [alert] the program must be started by a process of one thread");
        return ExitCode::FAILURE;
    };
    let arguments = title.arguments().get(1..).unwrap_or_default();
    let options = match cli::parse(arguments) {
        Ok(options) => options,
        Err(text) => {
            print(&format!("nginx: {text}"));
            return ExitCode::FAILURE;
        }
    };
    let paths = Paths::find(&options);
    if options.version {
        show_version(&options, &paths, engine);
        if !options.test {
            return ExitCode::SUCCESS;
        }
    }

    let reporter = Reporter::open(&paths);
    let directives = options.directives.clone().unwrap_or_default().into_vec();
    let loader = Loader {
        engine,
        paths,
        directives,
    };
    let succeeded = if options.test {
        test(&loader, &options, &reporter)
    } else if let Some(request) = options.send {
        ask(&loader, request, &reporter)
    } else {
        start(loader, title, reporter)
    };
    if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn show_version(options: &Options, paths: &Paths, engine: &dyn Engine) {
    print(&identity::version_line());
    if options.help {
        print(&identity::help(paths));
    }
    if options.build {
        print(&identity::build_lines(paths, engine.built_in()));
    }
}

/// `-t`: reads the configuration, and tries what it needs.
fn test(loader: &Loader, options: &Options, reporter: &Reporter) -> bool {
    let file = loader.paths.file.display().to_string();
    match try_configuration(loader, options, reporter, &file) {
        Ok(configuration) => {
            if !options.quiet {
                print(&format!(
                    "nginx: configuration file {file} test is successful"
                ));
            }
            if options.dump {
                // Whoever reads it may have seen enough.
                let _ = io::stdout().write_all(&conf::dump(configuration.tree()));
            }
            true
        }
        Err(messages) => {
            messages.iter().for_each(|message| reporter.tell(message));
            print(&format!("nginx: configuration file {file} test failed"));
            false
        }
    }
}

fn try_configuration(
    loader: &Loader,
    options: &Options,
    reporter: &Reporter,
    file: &str,
) -> Result<Rc<dyn Configuration>, Vec<Message>> {
    let configuration = loader.read(Purpose::Test, &Rc::new(Zones::new()))?;
    notes(&*configuration)
        .iter()
        .for_each(|note| reporter.tell(note));
    if !options.quiet {
        print(&format!(
            "nginx: the configuration file {file} syntax is ok"
        ));
    }
    let pid_file = configuration.plan().pid_file.as_deref();
    pid_file
        .map_or(Ok(()), pid_file::test)
        .and_then(|()| configuration.open_files())
        .map_err(|text| vec![Message::emerg(text)])?;
    let refused = |texts: Vec<String>| texts.into_iter().map(Message::emerg).collect::<Vec<_>>();
    Listeners::test(configuration.plan()).map_err(refused)?;
    Ok(configuration)
}

/// `-s`: finds the master through the configuration, and asks it.
fn ask(loader: &Loader, request: Request, reporter: &Reporter) -> bool {
    match loader.read(Purpose::Signal, &Rc::new(Zones::new())) {
        Ok(configuration) => match &configuration.plan().pid_file {
            Some(pid_file) => send::send(request, pid_file, reporter),
            None => {
                let text = "the configuration names no \"pid\" to find the server by";
                reporter.tell(&Message::new(Level::Error, text));
                false
            }
        },
        Err(messages) => {
            messages.iter().for_each(|message| reporter.tell(message));
            false
        }
    }
}

/// Runs the server.
fn start(loader: Loader, title: Title, reporter: Reporter) -> bool {
    let (inherited, is_upgrade) = inherit(&reporter);
    let running = match loader.prepare(None, inherited) {
        Ok(running) => running,
        Err(messages) => {
            messages.iter().for_each(|message| reporter.tell(message));
            return false;
        }
    };
    notes(&*running.configuration)
        .iter()
        .for_each(|note| reporter.tell(note));
    greet(&running);
    match go_to_work(loader, running, title, is_upgrade) {
        Ok(()) => true,
        Err(message) => {
            reporter.tell(&message);
            false
        }
    }
}

/// The sockets of the program before this one, and whether there was one.
fn inherit(reporter: &Reporter) -> (Inherited, bool) {
    let Ok(value) = std::env::var(environment::SOCKETS) else {
        return (Vec::new(), false);
    };
    let text = format!("using inherited sockets from \"{value}\"");
    reporter.note(&Message::new(Level::Notice, text));
    let (inherited, refused) = listeners::take_over(&value);
    refused
        .into_iter()
        .for_each(|text| reporter.tell(&Message::emerg(text)));
    (inherited, true)
}

fn greet(running: &Running) {
    let log = running.configuration.log();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (soft, hard) = process::open_files_limits().unwrap_or_default();
    for text in [
        format!("using the \"{}\" event method", poller::METHOD),
        identity::name_and_version(),
        identity::built_by(),
        format!("OS: Linux {}", kernel.trim_end()),
        format!("getrlimit(RLIMIT_NOFILE): {soft}:{hard}"),
    ] {
        log.log(Level::Notice, &text);
    }
}

fn go_to_work(
    loader: Loader,
    running: Running,
    title: Title,
    is_upgrade: bool,
) -> Result<(), Message> {
    let failed = |call: &str, e: &io::Error| Message::emerg(format!("{call} failed{}", reason(e)));
    let plan = running.configuration.plan();
    let mut parent = process::parent_id();
    let mut is_daemon = is_upgrade;
    if plan.daemon && !is_upgrade {
        parent = process::id();
        daemon::leave_terminal().map_err(|(call, e)| failed(call, &e))?;
        is_daemon = true;
    }
    // Before anybody can know of this process.
    let signals = Signals::catch(signals::CAUGHT).map_err(|e| failed("signalfd()", &e))?;
    signal::ignore(signals::IGNORED).map_err(|e| failed("signal()", &e))?;
    if let Some(path) = &plan.pid_file {
        pid_file::write(path).map_err(Message::emerg)?;
    }
    if let Some(path) = &plan.error_log {
        daemon::redirect_standard_error(path).map_err(|e| failed("dup2(STDERR)", &e))?;
    }
    if loader.paths.built_in.is_some() {
        print("tidegate: the built-in configuration; see http://localhost:8080 (Ctrl-C ends it)");
    }
    let has_master = plan.master_process;
    let origin = Origin {
        is_daemon,
        is_upgrade,
        parent,
    };
    let start = Start {
        loader,
        running,
        signals,
        title,
        origin,
    };
    if has_master {
        Master::new(start)
            .map_err(|e| failed("starting the master", &e))?
            .run();
        Ok(())
    } else {
        single::run(start).map_err(|e| failed("starting the process", &e))
    }
}
