#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gatepost_tests::fuzz::relay_lines(data));
