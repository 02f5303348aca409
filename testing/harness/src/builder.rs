//! A server as a test describes it, and what it takes to start it.

use std::fmt;
use std::fs::File;
use std::io;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::binary::{self, Binary};
use crate::config::{self, Ports};
use crate::oracle::Allowed;
use crate::prefix::Prefix;
use crate::server::Server;

/// How long a server may take to listen.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How long a server without clients may take to quit.
const QUIT_LIMIT: Duration = Duration::from_secs(20);

/// How often a server is started anew because another process took its port.
const START_ATTEMPTS: u32 = 3;

/// A server about to be started. See [`Server::new`].
#[derive(Clone, Debug)]
pub struct Builder {
    http: String,
    main: String,
    events: String,
    files: Vec<(String, Vec<u8>)>,
    ports: Vec<(String, u16)>,
    binary: Binary,
    wrapper: Vec<String>,
    environment: Vec<(String, String)>,
    nginx_modules: Vec<String>,
    pub(crate) allowed: Allowed,
    pub(crate) quit_limit: Duration,
}

impl Builder {
    /// See [`Server::new`].
    pub(crate) fn new(http: &str) -> Self {
        Self {
            http: http.to_owned(),
            main: String::new(),
            events: String::new(),
            files: Vec::new(),
            ports: Vec::new(),
            binary: Binary::Tidegate,
            wrapper: Vec::new(),
            environment: Vec::new(),
            nginx_modules: Vec::new(),
            allowed: Allowed::default(),
            quit_limit: QUIT_LIMIT,
        }
    }

    /// Puts `bytes` into the file `name` below the prefix (`html/` is the default root).
    #[must_use]
    pub fn with_file(mut self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.files.push((name.to_owned(), bytes.as_ref().to_vec()));
        self
    }

    /// Adds `text` to the top of the file: main directives, `stream` and `mail` blocks.
    #[must_use]
    pub fn with_main(mut self, text: &str) -> Self {
        self.main.push_str(text);
        self.main.push('\n');
        self
    }

    /// Lets nginx load its module `name`, such as `ngx_http_geoip_module`, which is built into
    /// Tidegate. A comparison is skipped where that is not installed.
    #[must_use]
    pub fn with_nginx_module(mut self, name: &str) -> Self {
        self.nginx_modules.push(name.to_owned());
        self
    }

    /// A module that nginx is to load and that is not installed.
    pub(crate) fn missing_nginx_module(&self) -> Option<&str> {
        let is_missing = |name: &&String| binary::nginx_module(name).is_none();
        self.nginx_modules
            .iter()
            .find(is_missing)
            .map(String::as_str)
    }

    /// The configuration file's text, with its placeholders.
    fn file(&self) -> String {
        let is_nginx = self.binary.has_built_in_paths();
        let modules = self.nginx_modules.iter().filter(|_| is_nginx);
        let lines = modules
            .filter_map(|name| binary::nginx_module(name))
            .map(|path| format!("load_module {};\n", path.display()));
        let main = lines.chain([self.main.clone()]).collect::<String>();
        config::file(&main, &self.events, &self.http, is_nginx)
    }

    /// Adds `text` to the `events` block.
    #[must_use]
    pub fn with_events(mut self, text: &str) -> Self {
        self.events.push_str(text);
        self
    }

    /// Makes `{port_NAME}` stand for a port the test knows, such as that of a scripted upstream.
    #[must_use]
    pub fn with_port(mut self, name: &str, port: u16) -> Self {
        self.ports.push((name.to_owned(), port));
        self
    }

    /// Runs `binary` and not Tidegate.
    #[must_use]
    pub fn binary(mut self, binary: Binary) -> Self {
        self.binary = binary;
        self
    }

    /// Starts the server through another command that executes it, such as `taskset -c 0`.
    #[must_use]
    pub fn with_wrapper(mut self, command: &[&str]) -> Self {
        self.wrapper = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Sets an environment variable of the server.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets the server log `[alert]` and `[emerg]`, for tests of just that.
    #[must_use]
    pub fn allow_alerts(mut self) -> Self {
        self.allowed.everything = true;
        self
    }

    /// Lets the server log faults in lines that contain `text`, and no others.
    #[must_use]
    pub fn allow_log(mut self, text: &str) -> Self {
        self.allowed.containing.push(text.to_owned());
        self
    }

    /// Expects the server to quit within `limit` at its end, and not the usual 20 seconds.
    #[must_use]
    pub fn quitting_within(mut self, limit: Duration) -> Self {
        self.quit_limit = limit;
        self
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it does not within 20 seconds; the message holds its error log and its configuration.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> Server {
        match self.try_start() {
            Ok(server) => server,
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Errors
    ///
    /// What the server said when it refused to start. That is no fault in the sense of the checks
    /// made when a [`Server`] ends.
    pub fn try_start(self) -> Result<Server, StartError> {
        let mut attempt = 1;
        loop {
            match self.prepare().and_then(|stage| stage.launch(&self)) {
                Err(error) if attempt < START_ATTEMPTS && error.is_about_a_port() => attempt += 1,
                other => return other,
            }
        }
    }

    /// Runs the server with `-t` (or whatever `switches` say) on this configuration.
    ///
    /// # Panics
    ///
    /// When the program cannot be run at all.
    #[must_use]
    #[track_caller]
    pub fn run(&self, switches: &[&str]) -> Output {
        let output = self.prepare().and_then(|mut stage| {
            stage.ports.release();
            let mut command = self.command(&stage.prefix)?;
            command
                .args(switches)
                .output()
                .map_err(StartError::of_running)
        });
        match output {
            Ok(output) => output,
            Err(error) => panic!("{error}"),
        }
    }

    /// Writes the prefix: configuration and files, with the placeholders replaced.
    fn prepare(&self) -> Result<Stage, StartError> {
        let prefix = Prefix::new();
        let mut ports = Ports::default();
        for (name, number) in &self.ports {
            ports.set(name, *number);
        }
        let text = self.file();
        let place = prefix.path().display().to_string();
        let text = ports
            .expand(&text, &place)
            .map_err(StartError::of_running)?;
        prefix.write("nginx.conf", text.as_bytes());
        for (name, bytes) in &self.files {
            prefix.write(name, bytes);
        }
        Ok(Stage {
            prefix,
            ports,
            text,
        })
    }

    /// Writes the configuration file with its placeholders replaced, and returns its text.
    pub(crate) fn write_conf(&self, prefix: &Prefix, ports: &mut Ports) -> io::Result<String> {
        let text = self.file();
        let text = ports.expand(&text, &prefix.path().display().to_string())?;
        prefix.write("nginx.conf", text.as_bytes());
        Ok(text)
    }

    /// The command line, up to the switches that every run has.
    fn command(&self, prefix: &Prefix) -> Result<Command, StartError> {
        let path = self.binary.path().map_err(StartError::of_nothing)?;
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&path),
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(&path);
                command
            }
        };
        command
            .arg("-p")
            .arg(prefix.path())
            .args(["-c", "nginx.conf", "-e", "logs/error.log"]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        Ok(command)
    }
}

/// A prefix with everything in it, before its server runs.
struct Stage {
    prefix: Prefix,
    ports: Ports,
    /// The configuration as written.
    text: String,
}

impl Stage {
    /// Starts the master and waits for it.
    fn launch(mut self, builder: &Builder) -> Result<Server, StartError> {
        let mut command = builder.command(&self.prefix)?;
        let output = File::create(self.prefix.path().join("logs/stderr"));
        let errors = output.as_ref().ok().and_then(|file| file.try_clone().ok());
        let (Ok(output), Some(errors)) = (output, errors) else {
            return Err(StartError::of_nothing(
                "no room for the server's messages".to_owned(),
            ));
        };
        self.ports.release();
        let master = command.stdout(output).stderr(errors).spawn();
        let master = master.map_err(StartError::of_running)?;
        let mut server = Server::of_parts(master, self.prefix, self.ports, builder);
        let ready = server.wait_ready(START_LIMIT);
        if ready == Some(Readiness::Listening) {
            return Ok(server);
        }
        server.forgive_everything();
        let said = server.prefix().read("logs/stderr") + &server.error_log();
        Err(StartError {
            said,
            conf: self.text,
            is_refused: ready.is_some(),
        })
    }
}

/// What became of a server that was started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Readiness {
    Listening,
    Exited,
}

/// Why a server did not start.
#[derive(Debug)]
pub struct StartError {
    /// What it wrote to stderr and to its error log.
    pub said: String,
    /// The configuration it was given; empty when it was never run.
    pub conf: String,
    /// Whether it ended by itself; otherwise it ran, and did not listen in time.
    pub is_refused: bool,
}

impl StartError {
    fn of_running(error: io::Error) -> Self {
        Self::of_nothing(format!("cannot run the server: {error}"))
    }

    fn of_nothing(said: String) -> Self {
        Self {
            said,
            conf: String::new(),
            is_refused: false,
        }
    }

    /// Whether another process took the port between its choice and its use.
    fn is_about_a_port(&self) -> bool {
        self.said.contains("Address already in use")
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_refused {
            "refused to start"
        } else {
            "did not start"
        };
        write!(f, "the server {what}:\n{}\n", self.said)?;
        for (number, line) in (1..).zip(self.conf.lines()) {
            writeln!(f, "{number:4}  {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for StartError {}
