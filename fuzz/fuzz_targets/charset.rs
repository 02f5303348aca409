//! libFuzzer entry of the `charset` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::charset(data));
