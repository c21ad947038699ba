//! Connection attributes: pairs of a name and a value, both length-encoded, by which a client describes itself at its
//! login. Servers show them in `performance_schema.session_connect_attrs`.
//! Source: "Protocol::HandshakeResponse41" in MySQL's internals.

use super::{Reader, Writer};

/// The most bytes of encoded attributes that a login may have; with more, servers refuse the login.
pub const MAX_ATTRIBUTES: usize = 65_535;

/// The most bytes of a client's attributes that are kept for servers. By default a server itself keeps 512 bytes
/// (`performance_schema_session_connect_attrs_size`).
const KEPT: usize = 1024;

/// The names that begin with this are the proxy's own: attributes that control it, and those that it makes itself.
const OWN_PREFIX: &[u8] = b"pointsman_";

/// The client library's name. Towards servers the proxy is the client.
const LIBRARY: &[u8] = b"_client_name";

/// How a server gets the name of the client's own library.
const CLIENTS_LIBRARY: &[u8] = b"pointsman_client_name";

/// The program's name: the client's, or the proxy's own if the client names none.
const PROGRAM: &[u8] = b"program_name";

/// The proxy's name, as a library and as a program.
const POINTSMAN: &[u8] = b"pointsman";

/// Reads the pairs in order. None stands for the rest if the rest cannot be read.
fn pairs(encoded: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    let mut r = Reader::new(encoded);
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken || r.is_empty() {
            return None;
        }
        let pair = r.lenenc_bytes("a name").ok().zip(r.lenenc_bytes("a value").ok());
        broken = pair.is_none();
        Some(pair)
    })
}

/// Returns the value of an attribute.
pub(super) fn attribute<'a>(encoded: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pairs(encoded).map_while(|pair| pair).find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
}

/// Returns the part of a client's attributes that servers are to get, encoded: whole pairs, up to 1 KiB. Leaves out the
/// attributes that control the proxy. Empty if any of the pairs cannot be read: nothing is guessed.
pub fn kept_attributes(encoded: &[u8]) -> Vec<u8> {
    let Some(pairs) = pairs(encoded).collect::<Option<Vec<_>>>() else { return Vec::new() };
    let mut kept = Vec::new();
    for (name, value) in pairs {
        let own = name.get(..OWN_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX));
        let before = kept.len();
        if !own {
            put(&mut kept, name, value);
        }
        if kept.len() > KEPT {
            kept.truncate(before);
        }
    }
    kept
}

/// Returns the attributes for a server: the proxy's own, by which the server's administrator recognises the proxy, and those
/// of a client that `kept_attributes` returned. The client's library gets another name.
pub fn attributes_for_server(kept: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    put(&mut all, LIBRARY, POINTSMAN);
    if attribute(kept, "program_name").is_none() {
        put(&mut all, PROGRAM, POINTSMAN);
    }
    for (name, value) in pairs(kept).map_while(|pair| pair) {
        put(&mut all, if name == LIBRARY { CLIENTS_LIBRARY } else { name }, value);
    }
    all
}

fn put(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.put_lenenc_bytes(name);
    out.put_lenenc_bytes(value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        pairs.iter().for_each(|(name, value)| put(&mut out, name.as_bytes(), value.as_bytes()));
        out
    }

    #[test]
    fn a_server_gets_the_clients_attributes_behind_the_proxys() {
        let of_client = encoded(&[
            ("_client_name", "libmysql"),
            ("_client_version", "9.7.0"),
            ("pointsman_consistency", "session"),
            ("POINTSMAN_client", "forged"),
            ("program_name", "mysql"),
        ]);
        let expected = encoded(&[
            ("_client_name", "pointsman"),
            ("pointsman_client_name", "libmysql"),
            ("_client_version", "9.7.0"),
            ("program_name", "mysql"),
        ]);
        assert_eq!(attributes_for_server(&kept_attributes(&of_client)), expected);
    }

    #[test]
    fn without_a_client_the_proxy_names_itself() {
        let expected = encoded(&[("_client_name", "pointsman"), ("program_name", "pointsman")]);
        assert_eq!(attributes_for_server(&[]), expected);
    }

    #[test]
    fn attributes_that_cannot_be_read_to_their_end_are_left_out() {
        let whole = encoded(&[("a", "b"), ("program_name", "mysql")]);
        for cut in 5..whole.len() {
            assert_eq!(kept_attributes(&whole[..cut]), b"", "cut at {cut}");
        }
        assert_eq!(kept_attributes(&whole), whole);
        assert_eq!(kept_attributes(b"\x01a\xfb"), b"", "NULL is no value");
    }

    #[test]
    fn what_is_kept_is_bounded_and_whole() {
        let long = "x".repeat(2000);
        let of_client = encoded(&[("first", "1"), ("long", &long), ("last", "2")]);
        assert_eq!(kept_attributes(&of_client), encoded(&[("first", "1"), ("last", "2")]));
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_a_server_gets_whole_pairs(sent in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let kept = kept_attributes(&sent);
            prop_assert!(kept.len() <= KEPT);
            let all = attributes_for_server(&kept);
            prop_assert!(pairs(&all).all(|pair| pair.is_some()));
            prop_assert_eq!(attribute(&all, "_client_name"), Some(POINTSMAN));
            prop_assert_eq!(attribute(&all, "pointsman_consistency"), None);
        }
    }
}
