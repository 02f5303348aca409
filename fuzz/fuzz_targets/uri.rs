//! libFuzzer entry of the `uri` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::uri(data));
