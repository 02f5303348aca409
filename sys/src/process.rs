//! Processes: making, ending, naming, confining them, and turning into another program.

mod confine;
mod control;
mod environment;
mod execute;
mod fork;
mod title;

pub use confine::{
    NET_RAW, forbid_new_privileges, keep_capabilities, limit_capabilities, open_files_limits,
    pin_to_cpus, set_core_size_limit, set_dumpable, set_open_files_limit, set_priority,
};
pub use control::{
    change_directory, id, is_alive, is_running, is_stopped, online_cpus, page_size, parent_id,
    send_signal, set_umask, start_session,
};
pub use environment::{environment, replace_environment};
pub use execute::{execute, replace_descriptor, take_inherited_descriptor};
pub use fork::{Fork, Reaped, end_now, fork, reap};
pub use title::Title;
