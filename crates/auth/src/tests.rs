use super::*;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use mysql_common::scramble::{scramble_native, scramble_sha256};
use proptest::prelude::*;
use std::sync::LazyLock;

const NONCE: Nonce = *b"abcdefghijklmnopqrst";

static KEY: LazyLock<PrivateDecryptingKey> =
    LazyLock::new(|| PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap());
static PEM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let der: PublicKeyX509Der = KEY.public_key().as_der().unwrap();
    pem_of(der.as_ref())
});

fn pem_of(der: &[u8]) -> Vec<u8> {
    let body = encode_base64(der);
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    for line in body.as_bytes().chunks(64) {
        pem += std::str::from_utf8(line).unwrap();
        pem.push('\n');
    }
    (pem + "-----END PUBLIC KEY-----\n").into_bytes()
}

fn encode_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0u8; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for at in 0..4 {
            let symbol = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { symbol as char } else { '=' });
        }
    }
    out
}

fn decrypt(cipher: &[u8]) -> Vec<u8> {
    let key = OaepPrivateDecryptingKey::new(KEY.clone()).unwrap();
    let mut plain = vec![0; key.min_output_size()];
    key.decrypt(&OAEP_SHA1_MGF1SHA1, cipher, &mut plain, None).unwrap().to_vec()
}

fn hex(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
    text.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Decodes, as the server does in the full exchange, the password and its NUL, which are XORed with the nonce.
fn unmask(mut plain: Vec<u8>, nonce: &Nonce) -> Vec<u8> {
    plain.iter_mut().zip(nonce.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    plain
}

mod accounts;
mod certificates;
mod signatures;
mod towards_clients;

mod primitives {
    use super::*;

    #[test]
    fn who_begins_with_native_passwords_must_switch_where_they_are_not_allowed() {
        let exchange = || {
            ServerExchange::new(Plugin::CachingSha2, NONCE, ExpectedPacket::Password(b"secret"))
                .without_native()
        };
        assert!(matches!(exchange().respond(None, b"12345678901234567890"), AuthStep::NotSupported));
        let native = native_password::scramble(b"secret", &NONCE);
        for answer in [&native[..], &b""[..]] {
            let AuthStep::AuthSwitch(switched) = exchange().respond(Some(b"mysql_native_password"), answer)
            else {
                panic!("it was believed")
            };
            assert_eq!(switched.plugin(), Plugin::CachingSha2);
            assert!(matches!(switched.respond(&native), AuthStep::Reject));
        }
    }

    #[test]
    fn double_sha1_is_what_the_servers_store() {
        // SELECT PASSWORD('mypass') on MariaDB; also in the manual's page on password hashing.
        let stored = hex(b"6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4");
        assert_eq!(native_password::double_sha1(b"mypass").to_vec(), stored);
    }

    #[test]
    fn native_wrong_inputs_do_not_pass() {
        let stored = native_password::double_sha1(b"secret");
        let right = native_password::scramble(b"secret", &NONCE);
        assert!(native_password::verify(&right, &NONCE, &stored).is_some());
        assert!(native_password::verify(&right[..19], &NONCE, &stored).is_none());
        assert!(native_password::verify(&[], &NONCE, &stored).is_none());
        assert!(native_password::verify(&[right.as_slice(), &[0]].concat(), &NONCE, &stored).is_none());
        assert!(native_password::verify(&right, b"ABCDEFGHIJKLMNOPQRST", &stored).is_none());
        let mut flipped = right;
        flipped[7] ^= 1;
        assert!(native_password::verify(&flipped, &NONCE, &stored).is_none());
        assert!(!native_password::verify_password(&flipped, &NONCE, b"secret"));
    }

    #[test]
    fn empty_passwords_take_empty_answers_only() {
        assert!(native_password::verify_password(b"", &NONCE, b""));
        assert!(!native_password::verify_password(b"", &NONCE, b"secret"));
        assert!(!native_password::verify_password(&native_password::scramble(b"", &NONCE), &NONCE, b""));
        assert!(caching_sha2::verify_fast(b"", &NONCE, b""));
        assert!(caching_sha2::verify_fast(b"\0", &NONCE, b""));
        assert!(!caching_sha2::verify_fast(b"\0", &NONCE, b"secret"));
        assert!(!caching_sha2::verify_fast(&caching_sha2::scramble(b"", &NONCE), &NONCE, b""));
    }

    #[test]
    fn nonces_are_what_clients_can_read_and_never_repeat() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..500 {
            let nonce = nonce().unwrap();
            assert!(nonce.iter().all(|byte| (1..=127).contains(byte) && *byte != b'$'), "{nonce:?}");
            assert!(seen.insert(nonce));
        }
        let used: std::collections::HashSet<u8> = seen.iter().flatten().copied().collect();
        assert_eq!(used.len(), 126, "every allowed byte turns up in 10,000");
    }

    proptest! {
        #[test]
        fn scrambles_agree_with_an_independent_implementation(
            password in proptest::collection::vec(any::<u8>(), 1..200), nonce: Nonce,
        ) {
            let native = native_password::scramble(&password, &nonce);
            prop_assert_eq!(Some(native), scramble_native(&nonce, &password));
            let sha2 = caching_sha2::scramble(&password, &nonce);
            prop_assert_eq!(Some(sha2), scramble_sha256(&nonce, &password));
            prop_assert!(native_password::verify_password(&native, &nonce, &password));
            prop_assert!(caching_sha2::verify_fast(&sha2, &nonce, &password));
        }

        #[test]
        fn the_single_sha1_that_an_answer_reveals_is_enough_to_log_in(password: [u8; 12], one: Nonce, two: Nonce) {
            let stored = native_password::double_sha1(&password);
            let answer = native_password::scramble(&password, &one);
            let single = native_password::verify(&answer, &one, &stored).unwrap();
            prop_assert_eq!(
                native_password::scramble_single(&single, &two), native_password::scramble(&password, &two));
        }

        #[test]
        fn another_password_never_passes(one in "[a-z]{0,8}", other in "[a-z]{0,8}", nonce: Nonce) {
            prop_assume!(one != other);
            for plugin in [Plugin::NativePassword, Plugin::CachingSha2] {
                let answer = plugin.scramble(one.as_bytes(), &nonce);
                let right = match plugin {
                    Plugin::NativePassword => native_password::verify_password(&answer, &nonce, other.as_bytes()),
                    Plugin::CachingSha2 => caching_sha2::verify_fast(&answer, &nonce, other.as_bytes()),
                };
                prop_assert!(!right, "{plugin:?}");
            }
        }
    }
}

mod public_keys {
    use super::*;

    #[test]
    fn encrypted_passwords_come_out_again() {
        for password in ["", "x", "secret", &"long".repeat(50)] {
            let cipher = caching_sha2::encrypt_password(password.as_bytes(), &NONCE, &PEM).unwrap();
            assert_eq!(cipher.len(), 256);
            let plain = unmask(decrypt(&cipher), &NONCE);
            assert_eq!(plain, [password.as_bytes(), &[0]].concat());
        }
    }

    #[test]
    fn an_independent_implementation_reads_the_key_and_encrypts_alike() {
        let mut masked = caching_sha2::clear_password(b"secret");
        masked.iter_mut().zip(NONCE.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        let theirs = mysql_common::crypto::encrypt(&masked, &PEM);
        let ours = caching_sha2::encrypt_password(b"secret", &NONCE, &PEM).unwrap();
        assert_eq!(decrypt(&ours), decrypt(&theirs));
    }

    #[test]
    fn a_password_that_the_key_cannot_hold_is_an_error() {
        let fits = "p".repeat(256 - 42 - 1);
        assert!(caching_sha2::encrypt_password(fits.as_bytes(), &NONCE, &PEM).is_ok());
        let long = fits + "p";
        let result = caching_sha2::encrypt_password(long.as_bytes(), &NONCE, &PEM);
        assert_eq!(result, Err(AuthError::PasswordTooLong));
    }

    #[test]
    fn malformed_keys_are_errors() {
        let good = String::from_utf8(PEM.clone()).unwrap();
        let cut_in_half = pem_of(&public_key_der(good.as_bytes()).unwrap()[..100]);
        let bad: Vec<Vec<u8>> = vec![
            Vec::new(),
            b"hello".to_vec(),
            good.replace("BEGIN", "START").into_bytes(),
            good.replace("-----END", "").into_bytes(),
            good.replacen("MII", "M*I", 1).into_bytes(),
            b"-----BEGIN PUBLIC KEY----------END PUBLIC KEY-----".to_vec(),
            b"-----BEGIN PUBLIC KEY-----".to_vec(),
            cut_in_half,
            vec![b'A'; 1 << 20],
        ];
        for pem in bad {
            let result = caching_sha2::encrypt_password(b"secret", &NONCE, &pem);
            assert!(matches!(result, Err(AuthError::PublicKey(_))), "{result:?}");
        }
    }

    #[test]
    fn keys_come_with_carriage_returns_text_around_them_and_a_nul() {
        let good = String::from_utf8(PEM.clone()).unwrap();
        let odd = format!("# mine\r\n{}\0", good.replace('\n', "\r\n"));
        assert_eq!(public_key_der(odd.as_bytes()), public_key_der(&PEM));
    }

    #[test]
    fn base64_knows_the_vectors_of_its_standard() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, text) in vectors {
            assert_eq!(pem::decode_base64(text.as_bytes()).as_deref(), Some(plain.as_bytes()));
        }
        for bad in [
            "Z", "Zg", "Zg=", "Zg===", "=", "====", "Z=g=", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v=", "Zm 9-", "é",
        ] {
            assert_eq!(pem::decode_base64(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn base64_reads_back_what_was_written(bytes: Vec<u8>) {
            let text = encode_base64(&bytes);
            prop_assert_eq!(pem::decode_base64(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn any_bytes_for_a_key_are_answered(bytes: Vec<u8>) {
            let body = encode_base64(&bytes);
            let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
            prop_assert!(caching_sha2::encrypt_password(b"p", &NONCE, pem.as_bytes()).is_err());
            prop_assert!(caching_sha2::encrypt_password(b"p", &NONCE, &bytes).is_err());
        }
    }
}

mod towards_servers {
    use super::*;
    use Channel::{Encrypted, Open, Verified};

    const OTHER: Nonce = *b"ABCDEFGHIJKLMNOPQRST";

    fn login(channel: Channel) -> ClientExchange<'static> {
        ClientExchange::new(Known::Password(b"secret"), channel)
    }

    fn sent(step: Result<ClientStep<'_>, AuthError>) -> (Vec<u8>, Pending<'_>) {
        match step {
            Ok(ClientStep::Send(bytes, pending)) => (bytes.to_vec(), pending),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_answer_is_the_greeted_plugins() {
        let (answer, pending) = login(Open).greeted(b"mysql_native_password", NONCE);
        assert_eq!(
            (answer, pending.plugin()),
            (
                Plugin::NativePassword.scramble(b"secret", &NONCE),
                AccountPlugin::Scramble(Plugin::NativePassword)
            )
        );
        let (answer, pending) = login(Open).greeted(b"caching_sha2_password", NONCE);
        assert_eq!(
            (answer, pending.plugin()),
            (Plugin::CachingSha2.scramble(b"secret", &NONCE), AccountPlugin::Scramble(Plugin::CachingSha2))
        );
        // Nobody gets the password for a greeting.
        for plugin in [&b"sha256_password"[..], b"mysql_clear_password", b"dialog", b"client_ed25519", b"x"] {
            let (answer, pending) = login(Verified).greeted(plugin, NONCE);
            assert_eq!(answer, Plugin::CachingSha2.scramble(b"secret", &NONCE));
            assert_eq!(pending.plugin(), AccountPlugin::Scramble(Plugin::CachingSha2));
        }
    }

    #[test]
    fn the_fast_path_waits_for_the_verdict() {
        let (_, pending) = login(Open).greeted(b"caching_sha2_password", NONCE);
        let step = pending.more_data(&[3]).unwrap();
        assert_eq!(step.packet(), None);
        let ClientStep::WaitForVerdict(pending) = step else { panic!("{step:?}") };
        assert!(pending.more_data(&[4]).is_err(), "not after success: the password is no longer asked for");
    }

    #[test]
    fn a_safe_channel_carries_the_password() {
        let (_, pending) = login(Verified).greeted(b"caching_sha2_password", NONCE);
        let (packet, pending) = sent(pending.more_data(&[4]));
        assert_eq!(packet, b"secret\0");
        assert!(pending.more_data(&[4]).is_err());
    }

    #[test]
    fn an_unsafe_channel_carries_it_under_the_servers_key() {
        let (_, pending) = login(Open).greeted(b"caching_sha2_password", NONCE);
        let step = pending.more_data(&[4]).unwrap();
        assert_eq!(step.packet(), Some(&[2][..]));
        let ClientStep::RequestPublicKey(pending) = step else { panic!("{step:?}") };
        assert!(pending.auth_switch(b"mysql_native_password", &NONCE).is_err(), "not now");
        let (packet, _) = sent(pending.more_data(&PEM));
        assert_eq!(unmask(decrypt(&packet), &NONCE), b"secret\0");
        assert!(matches!(pending.more_data(b"no key"), Err(AuthError::PublicKey(_))));
    }

    #[test]
    fn what_left_the_proxy_for_an_unverified_server_is_known() {
        for (channel, expected) in [
            (Verified, None),
            (Encrypted, Some(Exposure::UnverifiedTls)),
            (Open, Some(Exposure::UnverifiedKey)),
        ] {
            let (_, pending) = login(channel).greeted(b"caching_sha2_password", NONCE);
            assert_eq!(pending.exposed(), None, "a scramble is no password");
            let step = pending.more_data(&[4]).unwrap();
            let pending = match step {
                ClientStep::RequestPublicKey(pending) => sent(pending.more_data(&PEM)).1,
                step => sent(Ok(step)).1,
            };
            assert_eq!(pending.exposed(), expected);
            // A later switch does not reset `exposed`.
            let (_, pending) = sent(pending.auth_switch(b"mysql_native_password", &NONCE));
            assert_eq!(pending.exposed(), expected);
        }
    }

    #[test]
    fn nobody_but_a_verified_server_gets_the_password_where_that_is_asked_for() {
        for channel in [Open, Encrypted] {
            let (_, pending) = login(channel).only_verified(true).greeted(b"caching_sha2_password", NONCE);
            assert_eq!(
                pending.more_data(&[4]).unwrap_err(),
                AuthError::Unverified("caching_sha2_password, full exchange")
            );
            // Nor after a switch to the weaker plugin and back.
            let (_, pending) = sent(pending.auth_switch(b"mysql_native_password", &OTHER));
            let (_, pending) = sent(pending.auth_switch(b"caching_sha2_password", &NONCE));
            assert_eq!(
                pending.more_data(&[4]).unwrap_err(),
                AuthError::Unverified("caching_sha2_password, full exchange")
            );
            assert!(matches!(pending.more_data(&[3]), Ok(ClientStep::WaitForVerdict(_))));
        }
        let (_, pending) = login(Verified).only_verified(true).greeted(b"caching_sha2_password", NONCE);
        assert_eq!(sent(pending.more_data(&[4])).0, b"secret\0");
    }

    #[test]
    fn a_switch_answers_to_the_new_nonce_also_in_the_full_exchange() {
        let (_, pending) = login(Open).greeted(b"mysql_native_password", NONCE);
        let with_nul = [OTHER.as_slice(), &[0]].concat();
        let (answer, pending) = sent(pending.auth_switch(b"caching_sha2_password", &with_nul));
        assert_eq!(answer, Plugin::CachingSha2.scramble(b"secret", &OTHER));
        let ClientStep::RequestPublicKey(pending) = pending.more_data(&[4]).unwrap() else { panic!() };
        let (packet, _) = sent(pending.more_data(&PEM));
        assert_eq!(unmask(decrypt(&packet), &OTHER), b"secret\0");
    }

    #[test]
    fn unsupported_plugins_and_bad_nonces_are_named() {
        let (_, pending) = login(Verified).greeted(b"caching_sha2_password", NONCE);
        for plugin in ["mysql_old_password", "auth_gssapi_client", "CLIENT_ED25519", ""] {
            let error = pending.auth_switch(plugin.as_bytes(), &NONCE).unwrap_err();
            assert_eq!(error, AuthError::Unsupported(plugin.to_owned()));
        }
        for length in [0, 8, 19, 22, 255] {
            let error = pending.auth_switch(b"mysql_native_password", &vec![b'x'; length]).unwrap_err();
            let plugin = "mysql_native_password";
            assert_eq!(error, AuthError::ChallengeLength { plugin, expected: 20, got: length });
        }
        let not_nul = [NONCE.as_slice(), b"x"].concat();
        assert!(pending.auth_switch(b"mysql_native_password", &not_nul).is_err());
    }

    #[test]
    fn a_server_cannot_switch_for_ever() {
        let (_, mut pending) = login(Open).greeted(b"caching_sha2_password", NONCE);
        let mut switches = 0;
        while let Ok(ClientStep::Send(_, next)) = pending.auth_switch(b"mysql_native_password", &NONCE) {
            pending = next;
            switches += 1;
            assert!(switches < 10);
        }
        assert!(switches >= 2, "MariaDB asks once for each plugin of an account");
    }

    #[test]
    fn native_passwords_know_no_more_data() {
        let (_, pending) = login(Verified).greeted(b"mysql_native_password", NONCE);
        for data in [&[3][..], &[4], &[], b"\x04\0"] {
            assert!(matches!(pending.more_data(data), Err(AuthError::Unexpected { .. })));
        }
    }

    #[test]
    fn empty_passwords_have_empty_answers() {
        for plugin in [Plugin::NativePassword, Plugin::CachingSha2] {
            let (answer, _) =
                ClientExchange::new(Known::Password(b""), Open).greeted(plugin.name().as_bytes(), NONCE);
            assert_eq!(answer, b"");
        }
    }

    #[test]
    fn nothing_secret_shows_in_debug_output() {
        let (_, pending) = login(Verified).greeted(b"caching_sha2_password", NONCE);
        assert_eq!(format!("{:?}", pending.more_data(&[4]).unwrap()), "Send");
    }

    proptest! {
        #[test]
        fn both_sides_agree(password in "\\PC{0,60}", nonce: Nonce, native: bool, greeted_native: bool) {
            let of = |native| if native { Plugin::NativePassword } else { Plugin::CachingSha2 };
            let server = ServerExchange::new(of(greeted_native), nonce, ExpectedPacket::Password(password.as_bytes()));
            let client = ClientExchange::new(Known::Password(password.as_bytes()), Open);
            let (answer, pending) = client.greeted(of(native).name().as_bytes(), nonce);
            let mut step = server.respond(Some(pending.plugin().name().as_bytes()), &answer);
            if let AuthStep::AuthSwitch(switched) = step {
                let asked = switched.plugin().name().as_bytes();
                let (answer, _) = sent(pending.auth_switch(asked, switched.nonce()));
                step = switched.respond(&answer);
            }
            if let AuthStep::MoreData { data, then } = step {
                prop_assert!(matches!(pending.more_data(&data), Ok(ClientStep::WaitForVerdict(_))));
                step = then.finish();
            }
            prop_assert!(matches!(step, AuthStep::Accept(_)));
        }

        #[test]
        fn any_packet_is_answered_or_refused(plugin: Vec<u8>, data: Vec<u8>, secure: bool) {
            let (_, pending) = login(if secure { Verified } else { Open }).greeted(&plugin, NONCE);
            let _ = pending.more_data(&data);
            let _ = pending.auth_switch(&plugin, &data);
        }
    }
}
