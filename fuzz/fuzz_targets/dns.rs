//! libFuzzer entry of the `dns` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::dns(data));
