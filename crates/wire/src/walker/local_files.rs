//! The files that a server may ask the client for: those that the client's own statement names.

/// The names of the client's files in a statement.
#[derive(Debug)]
pub(super) struct LocalFiles(pub Vec<Vec<u8>>);

impl LocalFiles {
    /// True if the statement named the file that the server asks for.
    pub(super) fn has(&self, asked: &[u8]) -> bool {
        self.0.iter().any(|named| is_same_file(named, asked))
    }
}

/// True if the server asks for the file that the statement named. `character_set_filesystem` can change the bytes of
/// characters outside ASCII, so these bytes are not compared.
fn is_same_file(named: &[u8], asked: &[u8]) -> bool {
    let ascii = |name: &[u8]| -> Vec<u8> { name.iter().copied().filter(u8::is_ascii).collect() };
    named == asked || (!named.is_ascii() && !asked.is_ascii() && ascii(named) == ascii(asked))
}
