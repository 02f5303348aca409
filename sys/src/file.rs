//! Files and folders: opening, describing, reading, writing and arranging them.
//!
//! Every descriptor made here is closed on exec. Paths are given as [`PathArg`]: a `&CStr` goes to
//! the kernel as it is, anything else is copied to the stack first, so that the path of a request
//! never costs an allocation.

mod attributes;
mod data;
mod directory;
mod open;
mod path;
mod stat;
mod temporary;
mod transfer;
mod tree;

pub use attributes::{
    Access, accessible, change_mode, change_mode_of, change_owner, change_owner_of, set_direct_io,
    set_modified, set_modified_of,
};
pub use data::{
    advise_read_ahead, append_all, preallocate, read_at, read_cached_at, read_to_vec, sync,
    truncate, write_all_at, write_at,
};
pub use directory::{Directory, DirectoryEntry, read_directory};
pub use open::{Open, Resolve, open, open_at, open_beneath};
pub use path::PathArg;
pub use stat::{Kind, Stat, stat, stat_at, stat_link, stat_of};
pub use temporary::{Temporary, create_unique};
pub use transfer::copy_all;
pub use tree::{
    create_directory, hard_link, remove_directory, remove_file, rename, rename_without_replacing,
};

#[cfg(test)]
mod tests;
