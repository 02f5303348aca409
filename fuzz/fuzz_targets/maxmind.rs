//! libFuzzer entry of the `maxmind` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::maxmind(data));
