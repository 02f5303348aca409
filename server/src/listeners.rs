//! The listening sockets: inherited over an upgrade, kept over a reload, opened otherwise.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt};

use sys::process;
use sys::socket::{Address, Kind, Listener};

use crate::plan::{ListenerSpec, ProcessPlan};
use crate::report::reason;
use crate::worker::WorkerListener;

/// How often binding to an address in use is tried: whoever had it may be about to go.
const ATTEMPTS: usize = 5;

/// How long to wait between attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Sockets that came from the process before, with where they listen.
pub(crate) type Inherited = Vec<(Address, Kind, Rc<Listener>)>;

/// The open sockets of a configuration.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    open: Vec<Open>,
}

/// The sockets of one address.
#[derive(Debug)]
struct Open {
    spec: ListenerSpec,
    /// One, or one a worker.
    sockets: Vec<Rc<Listener>>,
}

impl Listeners {
    /// Opens what `plan` asks for, taking over what fits of `previous` and `inherited`.
    ///
    /// # Errors
    ///
    /// nginx's messages; nothing has changed then.
    pub(crate) fn open(
        plan: &ProcessPlan,
        previous: Option<&Self>,
        mut inherited: Inherited,
    ) -> Result<Self, Vec<String>> {
        let mut open = Vec::with_capacity(plan.listeners.len());
        let mut taken = Vec::new();
        for spec in &plan.listeners {
            let count = if spec.options.reuseport {
                plan.worker_processes
            } else {
                1
            };
            let mut sockets = previous.map_or_else(Vec::new, |previous| previous.sockets(spec));
            take_inherited(&mut inherited, spec, &mut sockets);
            sockets.truncate(count);
            for socket in &sockets {
                retune(socket, spec).map_err(|text| vec![text])?;
            }
            open.push(Open {
                spec: spec.clone(),
                sockets,
            });
        }
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            taken.clear();
            for open in &mut open {
                let reuseport = open.spec.options.reuseport;
                let count = if reuseport { plan.worker_processes } else { 1 };
                bind_missing(open, count, &mut taken)?;
            }
            if taken.is_empty() {
                return Ok(Self { open });
            }
        }
        taken.push("still could not bind()".to_owned());
        Err(taken)
    }

    /// Tries to open what `plan` asks for, and closes it again (`-t`). An address in use is no
    /// mistake: the server that runs has it.
    ///
    /// # Errors
    ///
    /// nginx's messages.
    pub(crate) fn test(plan: &ProcessPlan) -> Result<(), Vec<String>> {
        for spec in &plan.listeners {
            let mut open = Open {
                spec: spec.clone(),
                sockets: Vec::new(),
            };
            bind_missing(&mut open, 1, &mut Vec::new())?;
            if !open.sockets.is_empty() {
                remove_name(&open.spec);
            }
        }
        Ok(())
    }

    fn sockets(&self, spec: &ListenerSpec) -> Vec<Rc<Listener>> {
        let same = |open: &&Open| {
            open.spec.address == spec.address && open.spec.options.kind == spec.options.kind
        };
        self.open
            .iter()
            .find(same)
            .map_or_else(Vec::new, |open| open.sockets.clone())
    }

    /// Handles for the worker `number`.
    ///
    /// # Errors
    ///
    /// The system's, when descriptors have run out.
    pub(crate) fn of_worker(&self, number: usize) -> io::Result<Vec<WorkerListener>> {
        let mut handles = Vec::with_capacity(self.open.len());
        for (index, open) in self.open.iter().enumerate() {
            let count = open.sockets.len().max(1);
            if let Some(socket) = open.sockets.get(number % count) {
                handles.push(WorkerListener {
                    index,
                    listener: socket.try_clone()?,
                });
            }
        }
        Ok(handles)
    }

    /// Every open descriptor.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.open
            .iter()
            .flat_map(|open| &open.sockets)
            .map(|socket| socket.as_fd())
    }

    /// The value of `NGINX` that names them to the next program.
    pub(crate) fn to_variable(&self) -> String {
        self.descriptors()
            .map(|descriptor| format!("{};", descriptor.as_raw_fd()))
            .collect()
    }

    /// Removes the names of Unix sockets that `next` does not have.
    pub(crate) fn remove_names(&self, next: Option<&Self>) {
        for open in &self.open {
            let is_kept = next.is_some_and(|next| {
                next.open
                    .iter()
                    .any(|kept| kept.spec.address == open.spec.address)
            });
            if !is_kept {
                remove_name(&open.spec);
            }
        }
    }
}

/// Opens what is missing. Addresses in use go to `taken`.
fn bind_missing(open: &mut Open, count: usize, taken: &mut Vec<String>) -> Result<(), Vec<String>> {
    while open.sockets.len() < count {
        match Listener::bind(&open.spec.address, &open.spec.options) {
            Ok(listener) => open.sockets.push(Rc::new(listener)),
            Err(e) => {
                let text = format!("bind() to {} failed{}", open.spec.address, reason(&e));
                if e.kind() != io::ErrorKind::AddrInUse {
                    return Err(vec![text]);
                }
                taken.push(text);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Gives a socket that was open before the options that may change while it is.
fn retune(socket: &Listener, spec: &ListenerSpec) -> Result<(), String> {
    let failed =
        |call: &str, e: &io::Error| format!("{call} of {} failed{}", spec.address, reason(e));
    if spec.options.reuseport {
        socket
            .share_port()
            .map_err(|e| failed("setsockopt(SO_REUSEPORT)", &e))?;
    }
    socket
        .tune(&spec.options)
        .map_err(|e| failed("setsockopt()", &e))?;
    socket
        .listen(&spec.options)
        .map_err(|e| failed("listen()", &e))
}

fn take_inherited(inherited: &mut Inherited, spec: &ListenerSpec, to: &mut Vec<Rc<Listener>>) {
    let is_wanted = |(address, kind, _): &mut (Address, Kind, Rc<Listener>)| {
        *address == spec.address
            && (*kind == Kind::Datagram) == (spec.options.kind == Kind::Datagram)
    };
    to.extend(
        inherited
            .extract_if(.., is_wanted)
            .map(|(_, _, socket)| socket),
    );
}

/// Removes the file of a Unix socket.
fn remove_name(spec: &ListenerSpec) {
    if let Address::Unix(path) = &spec.address
        && path.first().is_some_and(|&byte| byte != 0)
    {
        // Gone already is as good.
        let _ = std::fs::remove_file(PathBuf::from(OsStr::from_bytes(path)));
    }
}

/// Takes over the sockets that `value`, from the variable `NGINX`, names: `6;7;`.
///
/// # Errors
///
/// What cannot be understood, as nginx says it, with the sockets before it.
pub(crate) fn take_over(value: &str) -> (Inherited, Vec<String>) {
    let mut inherited = Vec::new();
    let mut refused = Vec::new();
    for word in value.split([';', ':']).filter(|word| !word.is_empty()) {
        match word.parse::<RawFd>().ok().filter(|&number| number > 2) {
            Some(number) => match inherit(number) {
                Ok(socket) => inherited.push(socket),
                Err(e) => refused.push(format!(
                    "getsockname() of the inherited socket #{number} failed{}",
                    reason(&e)
                )),
            },
            None => refused.push(format!(
                "invalid socket number \"{word}\" in NGINX environment variable, \
                 ignoring the rest of the variable"
            )),
        }
    }
    (inherited, refused)
}

fn inherit(number: RawFd) -> io::Result<(Address, Kind, Rc<Listener>)> {
    let descriptor = process::take_inherited_descriptor(number)?;
    let kind = sys::socket::socket_kind(descriptor.as_fd())?;
    let listener = Listener::from_fd(descriptor)?;
    Ok((listener.local_addr()?, kind, Rc::new(listener)))
}

/// Whether `path` would fit a socket's address.
pub(crate) fn fits_socket_name(path: &Path) -> bool {
    path.as_os_str().len() < 107
}
