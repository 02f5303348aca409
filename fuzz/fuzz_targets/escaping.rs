//! libFuzzer entry of the `escaping` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::escaping(data));
