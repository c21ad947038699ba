//! Traces: whatever a client sends as a query attribute or in a comment, a parent is what the standard allows, an attribute
//! stands in front of the text that the server runs, and a value in a comment stands in the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::sql::{Options, comment_value};
use pointsman::wire::{Execute, TraceParent, query_attribute, query_text};

const KEY: &str = "traceparent";

fn check(value: &[u8]) {
    if let Some(parent) = TraceParent::parse(value) {
        assert!(parent.trace != 0 && parent.span != 0 && value.len() >= 55);
        let text = format!("00-{:032x}-{:016x}-0{}", parent.trace, parent.span, u8::from(parent.sampled));
        assert_eq!(TraceParent::parse(text.as_bytes()), Some(parent));
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let text = query_text(bytes, true);
    let attribute = query_attribute(bytes, KEY);
    if let (Ok(text), Some(value)) = (text, attribute) {
        check(value);
        // Both are parts of the same bytes: the value ends before the text begins.
        assert!(value.as_ptr() as usize + value.len() <= text.as_ptr() as usize);
    }
    for params in [0, 1, 3] {
        if let Ok(execute) = Execute::parse(bytes, params, true)
            && let Some(value) = execute.attribute(params, KEY)
        {
            check(value);
        }
    }
    if let Some(value) = comment_value(bytes, Options::default(), KEY) {
        assert!(bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes()) && value.len() <= 512);
        check(&value);
    }
});
