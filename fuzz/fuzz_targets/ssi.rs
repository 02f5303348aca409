//! libFuzzer entry of the `ssi` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::ssi(data));
