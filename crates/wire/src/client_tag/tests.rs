//! What servers read of a tagged command, by the parsers that read clients' commands.

use proptest::prelude::*;

use super::*;

const CLIENT: &str = "10.0.0.7:51234 app 42";

/// The payload that a server gets.
fn applied(payload: &[u8], splice: &Splice) -> Vec<u8> {
    let (header, parts) = splice.packet(payload);
    let sent = parts.concat();
    assert_eq!(PacketHeader::parse(&header), Some(PacketHeader { len: sent.len(), seq: 0 }));
    assert_eq!(splice.len(payload), sent.len());
    sent
}

#[test]
fn a_comment_stands_in_front_of_the_whole_text() {
    for text in ["SELECT /*+ MAX_EXECUTION_TIME(9) */ 1; SELECT 2", "/*!50000 SELECT 1 */", "# x\nDO 1"] {
        let expected = format!("/* pointsman_client={CLIENT} */ {text}");
        let plain = [b"\x03", text.as_bytes()].concat();
        let sent = applied(&plain, &comment_in_front(&plain, false, CLIENT).unwrap());
        assert_eq!(sent, [b"\x03", expected.as_bytes()].concat());
        let with_attributes = [b"\x03\x01\x01\0\x01\xfe\0\x01k\x01v", text.as_bytes()].concat();
        let sent = applied(&with_attributes, &comment_in_front(&with_attributes, true, CLIENT).unwrap());
        assert_eq!(query_text(&sent[1..], true), Ok(expected.as_bytes()));
    }
}

#[test]
fn an_empty_text_stays_empty() {
    for text in ["", " ", ";", "\r\n\t; ;"] {
        assert_eq!(comment_in_front(&[b"\x03", text.as_bytes()].concat(), false, CLIENT), None, "{text:?}");
    }
}

#[test]
fn no_name_ends_the_comment() {
    assert_eq!(client_named("10.0.0.7:51234", "app", 42), CLIENT);
    assert_eq!(client_named("unix", "a*/ DROP\u{e9}\n%", 1), "unix a%2A%2F%20DROP%C3%A9%0A%25 1");
}

#[test]
fn an_attribute_stands_before_those_of_the_client() {
    let none = b"\x03\0\x01SELECT 1";
    let sent = applied(none, &attribute_of_query(none, CLIENT).unwrap());
    let ours = [b"\xfe\0\x10pointsman_client".as_slice(), b"\x15", CLIENT.as_bytes()].concat();
    assert_eq!(sent, [b"\x03\x01\x01\0\x01", ours.as_slice(), b"SELECT 1"].concat());
    // A string, a NULL and a LONGLONG.
    let mut three = b"\x03\x03\x01\x02\x01\xfe\0\x01k\xfe\0\x01n\x08\0\x01i".to_vec();
    three.extend_from_slice(b"\x01v\x01\0\0\0\0\0\0\0SELECT 1");
    let sent = applied(&three, &attribute_of_query(&three, CLIENT).unwrap());
    assert_eq!(query_text(&sent[1..], true), Ok(&b"SELECT 1"[..]));
    assert_eq!(sent[..5], *b"\x03\x04\x01\x04\x01", "the bit of the NULL has moved");
    assert!(sent.windows(11).any(|part| part == b"app 42\x01v\x01\0\0"), "{}", sent.escape_ascii());
    // Attributes that the proxy refuses are never changed.
    assert_eq!(attribute_of_query(b"\x03\x01\x02\0SELECT 1", CLIENT), None);
}

#[test]
fn an_execute_gets_the_attribute_behind_its_own_parameters() {
    let bare = b"\x17\x01\0\0\0\0\x01\0\0\0";
    let ours = [b"\xfe\0\x10pointsman_client".as_slice(), b"\x15", CLIENT.as_bytes()].concat();
    let expected = [b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\0\x01".as_slice(), &ours].concat();
    assert_eq!(applied(bare, &attribute_of_execute(bare, 0, CLIENT).unwrap()), expected);
    // Bytes that a server does not read must not become parameters.
    let behind = [bare.as_slice(), b"\x01\0\x01"].concat();
    assert_eq!(applied(&behind, &attribute_of_execute(&behind, 0, CLIENT).unwrap()), expected);
    // One parameter, a LONG, and one attribute, a string.
    let both = b"\x17\x01\0\0\0\x08\x01\0\0\0\x02\0\x01\x03\0\0\xfe\0\x01k\x07\0\0\0\x01v";
    let sent = applied(both, &attribute_of_execute(both, 1, CLIENT).unwrap());
    let read = Execute::parse(&sent, 1, true).unwrap();
    assert_eq!(read.count, 3);
    assert_eq!(read.types, Types::Given(b"\x03\0\0\xfe\0\x10pointsman_client\xfe\0\x01k"));
    assert_eq!(read.values, [b"\x07\0\0\0\x15", CLIENT.as_bytes(), b"\x01v"].concat());
}

#[test]
fn an_execute_whose_values_are_elsewhere_is_left_alone() {
    let before = b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\0\0\x07\0\0\0";
    assert_eq!(attribute_of_execute(before, 1, CLIENT), None, "types as before");
    let long_data = b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\0\x01\xfc\0\0";
    assert_eq!(attribute_of_execute(long_data, 1, CLIENT), None, "long data");
    let more = b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\0\x01\x03\0\0\x07\0\0\0x";
    assert_eq!(attribute_of_execute(more, 1, CLIENT), None, "bytes behind the values");
}

proptest! {
    #[test]
    fn arbitrary_packets_keep_their_meaning(
        sent in proptest::collection::vec(any::<u8>(), 0..60),
        params in 0_u16..4,
    ) {
        let query = [b"\x03", sent.as_slice()].concat();
        if let Some(splice) = attribute_of_query(&query, CLIENT) {
            let (before, after) = (query_text(&query[1..], true), applied(&query, &splice));
            prop_assert_eq!(before, query_text(&after[1..], true));
        }
        let execute = [b"\x17", sent.as_slice()].concat();
        if let Some(splice) = attribute_of_execute(&execute, params, CLIENT) {
            let after = applied(&execute, &splice);
            let (before, after) = (Execute::parse(&execute, params, true)?, Execute::parse(&after, params, true)?);
            prop_assert_eq!(before.count + 1, after.count);
            for i in 0..usize::from(params) {
                prop_assert_eq!(is_null(before.nulls, i), is_null(after.nulls, i));
            }
        }
    }

    #[test]
    fn no_name_has_a_byte_that_means_something(user in any::<String>()) {
        let named = client_named("[2001:db8::7]:5", &user, u32::MAX);
        prop_assert!(named.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        prop_assert!(!named.contains(['*', '/', '\'', '"', '`', '\\', ';', '#', '!']));
    }
}
