//! This process's id without a system call.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::mapping::Mapping;

thread_local! {
    /// Memory that a child finds zeroed, and so never mistakes for its own.
    static CACHE: OnceCell<Option<Mapping>> = const { OnceCell::new() };
}

/// The id of this process. Locks are named after it, twice a request.
pub(crate) fn own_pid() -> u32 {
    CACHE.with(|cache| {
        let cache = cache.get_or_init(|| Mapping::wiped_in_children(size_of::<AtomicU32>()).ok());
        let Some(cache) = cache else {
            return std::process::id();
        };
        // SAFETY: the mapping is page-aligned, long enough, zeroed (a value of the type), lives as
        // long as this thread, and is used in this way alone.
        let pid = unsafe { cache.start().cast::<AtomicU32>().as_ref() };
        match pid.load(Ordering::Relaxed) {
            0 => {
                let id = std::process::id();
                pid.store(id, Ordering::Relaxed);
                id
            }
            known => known,
        }
    })
}
