//! Headers of HAProxy's document, each cut of them, and what is none.

use proptest::prelude::*;

use super::*;

fn whole(bytes: &[u8]) -> ProxyHeader {
    match ProxyHeader::parse(bytes) {
        Ok(ProxyHeaderStart::Whole(header)) => header,
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

fn source(bytes: &[u8]) -> Option<String> {
    whole(bytes).source.map(|source| source.to_string())
}

/// The text of the error.
fn wrong(bytes: &[u8]) -> String {
    match ProxyHeader::parse(bytes) {
        Err(error) => error.to_string(),
        Ok(start) => panic!("{}: {start:?}", bytes.escape_ascii()),
    }
}

/// A header of version 2.
fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let len = u16::try_from(block.len()).unwrap().to_be_bytes();
    [BINARY, &[command, family], &len, block].concat()
}

/// 192.168.0.1:56324 to 192.168.0.11:443.
const V4: &[u8] = b"\xc0\xa8\x00\x01\xc0\xa8\x00\x0b\xdc\x04\x01\xbb";

fn v6() -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    [&address("2001:db8::7")[..], &address("2001:db8::1"), b"\xdc\x04\x0c\xea"].concat()
}

#[test]
fn the_lines_of_the_document() {
    assert_eq!(
        source(b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\nGET / HTTP/1.1\r\n").as_deref(),
        Some("192.168.0.1:56324")
    );
    let longest = b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
    assert_eq!((source(longest).as_deref(), whole(longest).len), (Some("255.255.255.255:65535"), 56));
    let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let longest = format!("PROXY TCP6 {full} {full} 65535 65535\r\n");
    assert_eq!(whole(longest.as_bytes()).len, 104);
    assert_eq!(source(longest.as_bytes()), Some(format!("[{full}]:65535")));
    assert_eq!(source(b"PROXY TCP6 2001:DB8::7 ::1 0 3306\r\n").as_deref(), Some("[2001:db8::7]:0"));
    assert_eq!(whole(b"PROXY UNKNOWN\r\n"), ProxyHeader { source: None, len: 15 });
    let worst = format!("PROXY UNKNOWN {full} {full} 65535 65535\r\n");
    assert_eq!(whole(worst.as_bytes()), ProxyHeader { source: None, len: 107 });
    assert_eq!(source(b"PROXY UNKNOWN \xff\0 whatever\r\n"), None);
}

#[test]
fn wrong_lines() {
    for (line, why) in [
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n", "a wrong port"),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\n", "more fields than five"),
        ("PROXY TCP4 192.168.0.1 192.168.0.11  56324 443\r\n", "a wrong port"),
        ("PROXY TCP4 192.168.0.01 192.168.0.11 56324 443\r\n", "a wrong address"),
        ("PROXY TCP4 192.168.0 192.168.0.11 56324 443\r\n", "a wrong address"),
        ("PROXY TCP4 192.168.0.1 elsewhere 56324 443\r\n", "a wrong address"),
        ("PROXY TCP4 ::1 ::1 56324 443\r\n", "a wrong address"),
        ("PROXY TCP6 127.0.0.1 127.0.0.1 56324 443\r\n", "a wrong address"),
        ("PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n", "a wrong address"),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 65536 443\r\n", "a wrong port"),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 0443 443\r\n", "a wrong port"),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 +443 443\r\n", "a wrong port"),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 -1\r\n", "a wrong port"),
        ("PROXY tcp4 192.168.0.1 192.168.0.11 56324 443\r\n", "a protocol other than"),
        ("PROXY UNKNOWNS\r\n", "a protocol other than"),
        ("PROXY  UNKNOWN\r\n", "a protocol other than"),
        ("PROXY \r\n", "a protocol other than"),
        ("PROXY UNKNOWN\n", "a line that does not end with CRLF"),
        ("PROXY UNKNOWN\r\r\n", "a line that does not end with CRLF"),
        ("PROXY TCP4 ö\r\n", "a wrong address"),
        ("PROXYUNKNOWN\r\n", "where the signature"),
        ("GET / HTTP/1.1\r\n", "where a PROXY header should begin"),
    ] {
        assert!(wrong(line.as_bytes()).contains(why), "{line}: {}", wrong(line.as_bytes()));
    }
    assert!(wrong(b"PROXY TCP4 \xff\r\n").contains("a byte that is no text"));
    let long = |n: usize| [TEXT, &vec![b'x'; n][..]].concat();
    assert!(matches!(ProxyHeader::parse(&long(100)), Ok(ProxyHeaderStart::Partial { least: 107 })));
    assert!(wrong(&long(101)).contains("within 107 bytes"));
    assert!(wrong(&[&long(100)[..], b"\r\n"].concat()).contains("within 107 bytes"));
}

#[test]
fn binary_headers() {
    let tcp4 = binary(0x21, 0x11, V4);
    assert_eq!((source(&tcp4).as_deref(), whole(&tcp4).len), (Some("192.168.0.1:56324"), 28));
    let tcp6 = binary(0x21, 0x21, &v6());
    assert_eq!((source(&tcp6).as_deref(), whole(&tcp6).len), (Some("[2001:db8::7]:56324"), 52));
    // Fields behind the addresses: a NOOP and a unique id, then the client's first bytes.
    let more = binary(0x21, 0x11, &[V4, b"\x04\0\x03abc\x05\0\x01x"].concat());
    let with_client = [&more[..], b"\x20\0\0\x01"].concat();
    assert_eq!((source(&with_client), whole(&with_client).len), (source(&tcp4), 38));
}

#[test]
fn a_balancer_that_speaks_for_itself_or_does_not_know() {
    for header in [
        binary(0x20, 0x00, b""),
        // The family of LOCAL is to be ignored, and so are its addresses.
        binary(0x20, 0x11, V4),
        binary(0x20, 0xff, b""),
        binary(0x21, 0x00, b""),
        binary(0x21, 0x00, V4),
        // Not TCP.
        binary(0x21, 0x12, V4),
        binary(0x21, 0x10, V4),
        binary(0x21, 0x31, &[0; 216]),
        binary(0x21, 0x32, b""),
    ] {
        assert_eq!(whole(&header), ProxyHeader { source: None, len: header.len() }, "{header:02x?}");
    }
}

#[test]
fn wrong_binary_headers() {
    for (header, why) in [
        (binary(0x11, 0x11, V4), "byte 0x11 where version 2"),
        (binary(0x22, 0x11, V4), "byte 0x22 where version 2"),
        (binary(0x21, 0x41, V4), "byte 0x41 where the protocol"),
        (binary(0x21, 0x13, V4), "byte 0x13 where the protocol"),
        (binary(0x21, 0x11, &V4[..11]), "in the middle of the addresses"),
        (binary(0x21, 0x21, &v6()[..35]), "in the middle of the addresses"),
        (binary(0x21, 0x21, V4), "in the middle of the addresses"),
        (b"\r\n\r\n\0\r\nQUIP".to_vec(), "byte 0x50 where the signature"),
    ] {
        assert!(wrong(&header).contains(why), "{header:02x?}: {}", wrong(&header));
    }
}

#[test]
fn the_length_is_bounded_before_the_bytes_are_there() {
    let announced = |len: u16| [BINARY, &[0x21, 0x11], &len.to_be_bytes()].concat();
    assert_eq!(ProxyHeader::parse(&announced(4080)), Ok(ProxyHeaderStart::Partial { least: 4096 }));
    assert_eq!(wrong(&announced(4081)), "a PROXY header of 4097 bytes, more than 4096");
    assert_eq!(whole(&binary(0x21, 0x11, &[V4, &[0; 4068]].concat())).len, 4096);
}

fn headers() -> impl Strategy<Value = (Vec<u8>, Option<SocketAddr>)> {
    let tlvs = prop::collection::vec(any::<u8>(), 0..100);
    prop_oneof![
        any::<(Ipv4Addr, Ipv4Addr, u16, u16)>().prop_map(|(source, to, port, at)| {
            let line = format!("PROXY TCP4 {source} {to} {port} {at}\r\n");
            (line.into_bytes(), Some((source, port).into()))
        }),
        any::<([u8; 16], [u8; 16], u16, u16)>().prop_map(|(source, to, port, at)| {
            let (source, to) = (Ipv6Addr::from(source), Ipv6Addr::from(to));
            let line = format!("PROXY TCP6 {source} {to} {port} {at}\r\n");
            (line.into_bytes(), Some((source, port).into()))
        }),
        (any::<(Ipv4Addr, u16)>(), tlvs.clone()).prop_map(|((source, port), tlvs)| {
            let block = [&source.octets()[..], &[0; 4], &port.to_be_bytes(), &[0; 2], &tlvs].concat();
            (binary(0x21, 0x11, &block), Some((source, port).into()))
        }),
        (any::<([u8; 16], u16)>(), tlvs.clone()).prop_map(|((source, port), tlvs)| {
            let block = [&source[..], &[0; 16], &port.to_be_bytes(), &[0; 2], &tlvs].concat();
            (binary(0x21, 0x21, &block), Some((Ipv6Addr::from(source), port).into()))
        }),
        tlvs.prop_map(|tlvs| (binary(0x20, 0x00, &tlvs), None)),
    ]
}

proptest! {
    #[test]
    fn a_cut_header_needs_more_and_what_follows_does_not_matter(
        (header, source) in headers(),
        behind in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let expected = ProxyHeader { source, len: header.len() };
        prop_assert_eq!(ProxyHeader::parse(&header), Ok(ProxyHeaderStart::Whole(expected)));
        prop_assert_eq!(
            ProxyHeader::parse(&[&header[..], &behind].concat()),
            Ok(ProxyHeaderStart::Whole(expected))
        );
        for cut in 0..header.len() {
            match ProxyHeader::parse(&header[..cut]) {
                Ok(ProxyHeaderStart::Partial { least }) => {
                    prop_assert!(cut < least && least <= header.len(), "{} of {}: {}", cut, header.len(), least);
                }
                other => prop_assert!(false, "{} of {}: {:?}", cut, header.len(), other),
            }
        }
    }

    #[test]
    fn any_bytes_have_an_answer_that_more_bytes_do_not_change(
        start in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", BINARY, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let all = [start, &bytes].concat();
        let first_answer = (0..=all.len()).find_map(|cut| match ProxyHeader::parse(&all[..cut]) {
            Ok(ProxyHeaderStart::Partial { .. }) => None,
            answer => Some(answer),
        });
        if let Some(answer) = first_answer {
            prop_assert_eq!(ProxyHeader::parse(&all), answer);
        }
    }
}

#[test]
fn a_header_for_a_server_is_as_the_document_has_it() {
    let written = |source: Option<&str>| {
        let mut out = Vec::new();
        ProxyHeader::write(source.map(|source| source.parse().unwrap()), &mut out);
        out
    };
    assert_eq!(written(None), binary(0x20, 0, b""));
    let v4 = b"\xc0\xa8\x00\x01\0\0\0\0\xdc\x04\0\0";
    assert_eq!(written(Some("192.168.0.1:56324")), binary(0x21, 0x11, v4));
    assert_eq!(written(Some("[::ffff:192.168.0.1]:56324")), binary(0x21, 0x11, v4));
    let address = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets();
    let v6 = [&address[..], &[0; 16], b"\xdc\x04\0\0"].concat();
    assert_eq!(written(Some("[2001:db8::7]:56324")), binary(0x21, 0x21, &v6));
}

proptest! {
    #[test]
    fn what_is_written_is_read(v4 in any::<[u8; 4]>(), v6 in any::<[u8; 16]>(), port in any::<u16>(), kind in 0..3) {
        let source = match kind {
            0 => None,
            1 => Some(SocketAddr::new(IpAddr::from(v4), port)),
            _ => Some(SocketAddr::new(IpAddr::from(v6).to_canonical(), port)),
        };
        let mut out = Vec::new();
        ProxyHeader::write(source, &mut out);
        let len = out.len();
        out.extend_from_slice(b"behind");
        prop_assert_eq!(ProxyHeader::parse(&out), Ok(ProxyHeaderStart::Whole(ProxyHeader { source, len })));
    }
}
