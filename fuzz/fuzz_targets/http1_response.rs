//! libFuzzer entry of the `http1_response` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::http1_response(data));
