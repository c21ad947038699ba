//! The plugins that sign, and the proxy as their server.

use super::*;

/// The server's part, and the client's: bytes 0 to 31, and 32 to 63.
fn scrambles() -> (parsec::Scramble, parsec::Scramble) {
    let count = |from: u8| std::array::from_fn(|at| from + u8::try_from(at).unwrap());
    (count(0), count(32))
}

/// Bytes 1 to 18 as the salt.
fn ext_salt(factor: u8) -> parsec::ExtSalt {
    let packet: Vec<u8> = [b'P', factor].into_iter().chain(1..=18).collect();
    parsec::ExtSalt::parse(&packet).unwrap()
}

#[test]
fn ed25519_stores_what_mariadb_documents() {
    // SELECT ed25519_password('secret'), in the manual's page on the plugin.
    let stored = b"ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY=";
    assert_eq!(pem::decode_base64(stored).unwrap(), ed25519::public_key(b"secret"));
}

#[test]
fn ed25519_signs_as_the_test_of_mariadbs_plugin() {
    // plugin/auth_ed25519/ed25519-t.c: the password foobar, a challenge of 32 A.
    let key = hex(b"aafda61ba1d60aecb7d9295be71855e131d2b5ec0dcf65483553db824f97009f");
    assert_eq!(ed25519::public_key(b"foobar").to_vec(), key);
    let signature = hex(b"e83dc93f433f33355649ee23aa7592d61a1123090884f58d3063423a24e43054\
        73febba858a2f93923554feea76a44753887ab2f140e854f0fe57ca0b0648a0e");
    let challenge = [b'A'; 32];
    assert_eq!(ed25519::sign(b"foobar", &challenge).to_vec(), signature);
    assert!(ed25519::verify(&signature, &challenge, &ed25519::public_key(b"foobar")));
    let mut other = challenge;
    other[10] = b'B';
    assert!(!ed25519::verify(&signature, &other, &ed25519::public_key(b"foobar")));
}

#[test]
fn ed25519_with_a_password_of_32_bytes_is_the_one_of_the_standard() {
    // RFC 8032, section 7.1, the first two tests.
    for (seed, public, message, signature) in [
        (
            &b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"[..],
            &b"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"[..],
            &b""[..],
            &b"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
               5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"[..],
        ),
        (
            b"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            b"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            b"r",
            b"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
              085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ] {
        let seed = hex(seed);
        assert_eq!(ed25519::public_key(&seed).to_vec(), hex(public));
        assert_eq!(ed25519::sign(&seed, message).to_vec(), hex(signature));
    }
}

#[test]
fn parsec_derives_and_signs_as_an_independent_implementation() {
    // Python's hashlib and OpenSSL.
    let (server, client) = scrambles();
    let key = hex(b"f94f61b7ba8efba7d271510ac59db0dc9df76a89ded9eb349e056a2ef2e2bde9");
    assert_eq!(parsec::public_key(b"secret", &ext_salt(3)).unwrap().to_vec(), key);
    let answer = parsec::answer(b"secret", &ext_salt(3), &server, &client).unwrap();
    let signature = hex(b"ecd8231c4b2f5d0ac2933d520941ef7612387ab5ffd8ff846e7c1a450e200cb7\
        998c42b8ce8acf467d5360efc45b2dfeae8aa3a2526570d3a5a6104849cec00c");
    assert_eq!(answer.to_vec(), [client.to_vec(), signature].concat());
    assert!(parsec::verify(&answer, &server, &key.try_into().unwrap()));
    assert!(!parsec::verify(&answer, &client, &parsec::public_key(b"secret", &ext_salt(3)).unwrap()));
}

#[test]
fn an_extended_salt_is_read_as_it_was_written_and_nothing_else_is() {
    for factor in 0..=3 {
        let packet = ext_salt(factor).encode();
        assert_eq!(packet[..2], [b'P', factor]);
        assert_eq!(parsec::ExtSalt::parse(&packet), Ok(ext_salt(factor)));
        let long = [packet.as_slice(), &[0]].concat();
        for cut in (0..packet.len()).map(|end| &packet[..end]).chain([long.as_slice()]) {
            assert!(matches!(parsec::ExtSalt::parse(cut), Err(AuthError::ExtSalt(_))), "{cut:?}");
        }
    }
    for (at, byte) in [(0, b'S'), (0, 0), (1, 4), (1, b'0'), (1, 255)] {
        let mut packet = ext_salt(0).encode();
        packet[at] = byte;
        assert!(parsec::ExtSalt::parse(&packet).is_err(), "{packet:?}");
    }
    assert_ne!(parsec::ExtSalt::random(), parsec::ExtSalt::random());
}

#[test]
fn every_cut_and_every_changed_byte_of_a_signature_is_refused() {
    let (server, client) = scrambles();
    let stored = ed25519::public_key(b"secret");
    refuses_all_but(&ed25519::sign(b"secret", &server), |answer| ed25519::verify(answer, &server, &stored));
    let stored = parsec::public_key(b"secret", &ext_salt(0)).unwrap();
    let answer = parsec::answer(b"secret", &ext_salt(0), &server, &client).unwrap();
    refuses_all_but(&answer, |answer| parsec::verify(answer, &server, &stored));
}

fn refuses_all_but(right: &[u8], verify: impl Fn(&[u8]) -> bool) {
    assert!(verify(right));
    assert!(!verify(&[right, &[0]].concat()));
    for at in 0..right.len() {
        assert!(!verify(&right[..at]), "the first {at} bytes");
        let mut changed = right.to_vec();
        changed[at] ^= 1;
        assert!(!verify(&changed), "byte {at}");
    }
}

#[test]
fn a_signature_may_not_be_bent() {
    // The second half plus the order of the group verifies where nobody checks its range.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut signature = ed25519::sign(b"secret", &[7; 32]);
    let mut carry = 0;
    for (byte, of_order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(of_order) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert!(!ed25519::verify(&signature, &[7; 32], &ed25519::public_key(b"secret")));
}

/// Returns how a client with this password fares: the course of the exchange.
fn exchange(plugin: &str, account: Option<&[u8]>, password: &[u8]) -> String {
    let named = SignaturePlugin::from_name(plugin.as_bytes()).unwrap();
    let server = SignatureExchange::new(named, account).unwrap();
    let client = ClientExchange::new(Known::Password(password), Channel::Open);
    let (_, pending) = client.greeted(b"mysql_native_password", NONCE);
    let step = pending.auth_switch(plugin.as_bytes(), server.challenge()).unwrap();
    let ClientStep::Send(packet, pending) = step else { panic!("{step:?}") };
    let mut step = server.respond(&packet).unwrap();
    let mut said = format!("{step:?}");
    if let SignatureStep::ExtSalt(salt, server) = step {
        let ClientStep::Send(packet, _) = pending.more_data(&salt).unwrap() else { panic!("{said}") };
        step = server.respond(&packet).unwrap();
        said += &format!(" {step:?}");
    }
    said
}

#[test]
fn the_server_accepts_the_right_password_and_nothing_else() {
    for (plugin, before) in [("client_ed25519", ""), ("parsec", "ExtSalt ")] {
        for password in [&b"secret"[..], b"", b"no such user", &[0xff; 300]] {
            assert_eq!(exchange(plugin, Some(password), password), format!("{before}Accept"));
            assert_eq!(exchange(plugin, Some(password), b"other"), format!("{before}Reject"));
            assert_eq!(exchange(plugin, None, password), format!("{before}Reject"));
        }
    }
    assert_eq!(SignaturePlugin::from_name(b"ed25519"), None);
}

#[test]
fn who_is_accepted_proves_the_certificate_by_what_servers_store() {
    let server = SignatureExchange::new(SignaturePlugin::Ed25519, Some(b"secret")).unwrap();
    let answer = ed25519::sign(b"secret", server.challenge());
    let Ok(SignatureStep::Accept(stored)) = server.respond(&answer) else { panic!("refused") };
    assert_eq!(stored, ed25519::public_key(b"secret"));
    let server = SignatureExchange::new(SignaturePlugin::Parsec, Some(b"secret")).unwrap();
    let challenge = *server.challenge();
    let Ok(SignatureStep::ExtSalt(packet, server)) = server.respond(b"") else { panic!("refused") };
    let salt = parsec::ExtSalt::parse(&packet).unwrap();
    let answer = parsec::answer(b"secret", &salt, &challenge, &[3; 32]).unwrap();
    let Ok(SignatureStep::Accept(stored)) = server.respond(&answer) else { panic!("refused") };
    assert_eq!(stored, [packet.as_slice(), &parsec::public_key(b"secret", &salt).unwrap()].concat());
}

#[test]
fn challenges_never_repeat() {
    for plugin in [SignaturePlugin::Ed25519, SignaturePlugin::Parsec] {
        let challenges: std::collections::HashSet<_> =
            (0..100).map(|_| *SignatureExchange::new(plugin, None).unwrap().challenge()).collect();
        assert_eq!(challenges.len(), 100);
    }
}

#[test]
fn an_answer_to_another_challenge_does_not_pass() {
    let first = SignatureExchange::new(SignaturePlugin::Ed25519, Some(b"secret")).unwrap();
    let heard = ed25519::sign(b"secret", first.challenge());
    let second = SignatureExchange::new(SignaturePlugin::Ed25519, Some(b"secret")).unwrap();
    assert!(matches!(second.respond(&heard), Ok(SignatureStep::Reject)));
}

proptest! {
    // The curve's arithmetic is slow without optimization.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_signed_verifies_with_that_password_only(
        password in proptest::collection::vec(any::<u8>(), 0..100),
        other in proptest::collection::vec(any::<u8>(), 0..100),
        challenge: [u8; 32],
    ) {
        let signature = ed25519::sign(&password, &challenge);
        prop_assert!(ed25519::verify(&signature, &challenge, &ed25519::public_key(&password)));
        prop_assert_eq!(ed25519::verify(&signature, &challenge, &ed25519::public_key(&other)), password == other);
        // A password of 32 bytes is a seed of the standard.
        if let Ok(seed) = <&[u8; 32]>::try_from(password.as_slice()) {
            let pair = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(seed).unwrap();
            prop_assert_eq!(pair.sign(&challenge).as_ref().to_vec(), signature.to_vec());
        }
    }

    #[test]
    fn a_seed_of_the_standard_signs_alike(seed: [u8; 32], message: Vec<u8>) {
        let pair = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        prop_assert_eq!(pair.sign(&message).as_ref().to_vec(), ed25519::sign(&seed, &message).to_vec());
    }

    #[test]
    fn no_packets_pass_by_chance(
        first in prop_oneof![Just(Vec::new()), proptest::collection::vec(any::<u8>(), 64), any::<Vec<u8>>()],
        second in prop_oneof![proptest::collection::vec(any::<u8>(), 96), any::<Vec<u8>>()],
        parsec: bool,
        known: bool,
    ) {
        let plugin = if parsec { SignaturePlugin::Parsec } else { SignaturePlugin::Ed25519 };
        let exchange = SignatureExchange::new(plugin, known.then_some(b"secret")).unwrap();
        let mut step = exchange.respond(&first).unwrap();
        if let SignatureStep::ExtSalt(_, next) = step {
            step = next.respond(&second).unwrap();
        }
        prop_assert!(matches!(step, SignatureStep::Reject));
    }
}

#[test]
fn no_challenge_ends_in_a_zero_byte() {
    // Without the rule, 10,000 random challenges have it with a probability of 1 - 10^-17.
    for _ in 0..10_000 {
        let exchange = SignatureExchange::new(SignaturePlugin::Ed25519, None).unwrap();
        assert_ne!(exchange.challenge().last(), Some(&0));
    }
}
