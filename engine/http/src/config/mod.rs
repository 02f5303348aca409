//! From the tree of directives to a [`generation::Generation`]: reading, inheriting,
//! checking, freezing.

pub mod addresses;
pub mod arena;
pub mod finish;
pub mod generation;
pub mod listen;
pub mod loader;
pub mod location_name;
pub mod location_tree;
pub mod pipeline;
pub mod registry;
pub mod server_names;
