//! libFuzzer entry of the `exchange` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::exchange(data));
