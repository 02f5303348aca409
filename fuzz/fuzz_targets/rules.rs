//! libFuzzer entry of the `rules` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::rules(data));
