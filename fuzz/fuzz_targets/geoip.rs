//! libFuzzer entry of the `geoip` target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::geoip(data));
