#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gatepost_tests::fuzz::scim_pull(data));
