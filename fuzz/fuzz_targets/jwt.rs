//! libFuzzer entry of the `jwt` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::jwt(data));
