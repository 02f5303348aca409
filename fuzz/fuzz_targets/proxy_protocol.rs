//! libFuzzer entry of the `proxy_protocol` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::proxy_protocol(data));
