//! Any text for a configuration file is read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::config::Config;
use std::path::Path;

fuzz_target!(|text: &str| {
    // `password_file` opens what it names, and this must not read the machine's files.
    if text.contains("_file") || text.contains("\\u") {
        return;
    }
    match Config::parse(text, Path::new("/nonexistent")) {
        Ok(config) => assert!(!format!("{config:?}").is_empty()),
        Err(error) => assert!(!error.to_string().is_empty(), "an error says what is wrong"),
    }
});
