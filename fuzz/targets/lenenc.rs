//! Length-encoded values: reading never goes over the end, and writing gives back the value
//! in no more bytes than it came in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::wire::{Reader, Writer};

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    if let Ok(value) = reader.lenenc("value") {
        let taken = bytes.len() - reader.rest().len();
        let mut written = Vec::new();
        written.put_lenenc(value);
        assert!(written.len() <= taken);
        assert_eq!(Reader::new(&written).lenenc("value"), Ok(value));
    }
    let mut reader = Reader::new(bytes);
    while let Ok(text) = reader.lenenc_bytes("text") {
        let mut written = Vec::new();
        written.put_lenenc_bytes(text);
        assert_eq!(Reader::new(&written).lenenc_bytes("text"), Ok(text));
    }
    let mut reader = Reader::new(bytes);
    while let Ok(text) = reader.nul_bytes("text") {
        assert!(!text.contains(&0));
    }
});
