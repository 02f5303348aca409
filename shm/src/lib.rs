//! Shared memory: named zones, a slab allocator, a mutex that outlives its owner.
