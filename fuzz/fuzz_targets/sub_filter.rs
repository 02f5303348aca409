//! libFuzzer entry of the `sub_filter` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::sub_filter(data));
