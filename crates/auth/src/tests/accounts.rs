//! The proxy as a client, with the plugins that accounts on servers use beside the greeted ones.

use super::*;
use Channel::{Encrypted, Local, Open, Verified};

const CHALLENGE: ed25519::Challenge = [0xc0; 32];
const CHANNELS: [Channel; 4] = [Open, Encrypted, Verified, Local];

fn greeted(channel: Channel, only_verified: bool) -> Pending<'static> {
    let login = ClientExchange::new(Known::Password(b"secret"), channel).only_verified(only_verified);
    login.greeted(b"mysql_native_password", NONCE).1
}

fn sent(step: Result<ClientStep<'_>, AuthError>) -> (Vec<u8>, Pending<'_>) {
    match step {
        Ok(ClientStep::Send(bytes, pending)) => (bytes.to_vec(), pending),
        other => panic!("{other:?}"),
    }
}

#[test]
fn plugins_have_the_names_that_they_are_found_by() {
    for name in [
        "mysql_native_password",
        "caching_sha2_password",
        "client_ed25519",
        "parsec",
        "sha256_password",
        "mysql_clear_password",
        "dialog",
    ] {
        assert_eq!(AccountPlugin::from_name(name.as_bytes()).unwrap().name(), name);
    }
    assert_eq!(AccountPlugin::from_name(b"ed25519"), None, "the server's plugin, not the client's");
}

#[test]
fn a_challenge_is_signed_and_the_password_stays_whatever_the_channel() {
    for channel in CHANNELS {
        let (signature, pending) = sent(greeted(channel, true).auth_switch(b"client_ed25519", &CHALLENGE));
        assert!(ed25519::verify(&signature, &CHALLENGE, &ed25519::public_key(b"secret")));
        assert_eq!((pending.exposed(), pending.plugin()), (None, AccountPlugin::Ed25519));
        assert!(pending.more_data(&[4]).is_err(), "nothing is left to ask for");
    }
}

#[test]
fn parsec_asks_for_the_salt_and_signs_with_a_scramble_of_its_own() {
    let salt = parsec::ExtSalt::random().unwrap();
    let key = parsec::public_key(b"secret", &salt).unwrap();
    for channel in CHANNELS {
        let (request, pending) = sent(greeted(channel, true).auth_switch(b"parsec", &CHALLENGE));
        assert_eq!(request, b"");
        assert!(pending.auth_switch(b"parsec", &CHALLENGE).is_err(), "not now");
        let (answer, after) = sent(pending.more_data(&salt.encode()));
        assert!(parsec::verify(&answer, &CHALLENGE, &key));
        assert_eq!(after.exposed(), None);
        assert!(after.more_data(&salt.encode()).is_err(), "it was answered");
        assert_ne!(sent(pending.more_data(&salt.encode())).0, answer, "the client's scramble is random");
        assert!(matches!(pending.more_data(b"P"), Err(AuthError::ExtSalt(_))));
    }
}

#[test]
fn challenges_of_other_lengths_are_errors_that_say_so() {
    for (plugin, expected) in [("client_ed25519", 32), ("parsec", 32), ("sha256_password", 20)] {
        for length in (0..40).filter(|length| *length != expected) {
            let error =
                greeted(Verified, false).auth_switch(plugin.as_bytes(), &vec![b'x'; length]).unwrap_err();
            assert_eq!(error, AuthError::ChallengeLength { plugin, expected, got: length });
            let said = format!("{plugin} expects a challenge of {expected} bytes, got {length}");
            assert_eq!(error.to_string(), said);
        }
    }
}

#[test]
fn sha256_passwords_go_over_tls_as_they_are() {
    let with_nul = [NONCE.as_slice(), &[0]].concat();
    for (channel, exposed) in [(Verified, None), (Encrypted, Some(Exposure::UnverifiedTls))] {
        let (packet, pending) = sent(greeted(channel, false).auth_switch(b"sha256_password", &with_nul));
        assert_eq!((packet, pending.exposed()), (b"secret\0".to_vec(), exposed));
        assert!(pending.more_data(&PEM).is_err());
    }
}

#[test]
fn sha256_passwords_go_elsewhere_under_the_servers_key() {
    // A unix socket is as good as a verified certificate; the server wants the key's cipher all the same.
    for (channel, only_verified, exposed) in
        [(Open, false, Some(Exposure::UnverifiedKey)), (Local, false, None), (Local, true, None)]
    {
        let step = greeted(channel, only_verified).auth_switch(b"sha256_password", &NONCE).unwrap();
        assert_eq!(step.packet(), Some(&[1][..]));
        let ClientStep::RequestPublicKey(pending) = step else { panic!("{step:?}") };
        let (packet, after) = sent(pending.more_data(&PEM));
        assert_eq!(unmask(decrypt(&packet), &NONCE), b"secret\0");
        assert_eq!(after.exposed(), exposed);
        assert!(matches!(pending.more_data(b"no key"), Err(AuthError::PublicKey(_))));
    }
}

#[test]
fn an_unverified_server_gets_no_sha256_password_where_that_is_asked_for() {
    for channel in [Open, Encrypted] {
        let error = greeted(channel, true).auth_switch(b"sha256_password", &NONCE).unwrap_err();
        assert_eq!(error, AuthError::Unverified("sha256_password"));
    }
    assert_eq!(sent(greeted(Verified, true).auth_switch(b"sha256_password", &NONCE)).0, b"secret\0");
}

#[test]
fn an_empty_sha256_password_is_a_nul_on_every_channel() {
    for channel in CHANNELS {
        let (_, pending) =
            ClientExchange::new(Known::Password(b""), channel).greeted(b"caching_sha2_password", NONCE);
        assert_eq!(sent(pending.auth_switch(b"sha256_password", &NONCE)).0, b"\0");
    }
}

#[test]
fn clear_passwords_go_to_verified_servers_only_whatever_is_allowed() {
    for only_verified in [false, true] {
        for (plugin, data) in [
            // What PAM's plugin asks, and MySQL's plugins for LDAP.
            ("mysql_clear_password", &b"\x04Password: "[..]),
            ("mysql_clear_password", b""),
            ("dialog", b"\x04Password: "),
            ("dialog", b"\x05Password: "),
            ("dialog", b"\x04"),
            ("dialog", b""),
        ] {
            for channel in [Verified, Local] {
                let (packet, pending) =
                    sent(greeted(channel, only_verified).auth_switch(plugin.as_bytes(), data));
                assert_eq!((packet, pending.exposed()), (b"secret\0".to_vec(), None));
            }
            for channel in [Open, Encrypted] {
                let error = greeted(channel, only_verified).auth_switch(plugin.as_bytes(), data).unwrap_err();
                assert_eq!(error, AuthError::ClearText(plugin));
                let text = error.to_string();
                assert!(text.contains(plugin) && text.contains("servers_tls.ca_file"), "{text}");
            }
        }
    }
}

#[test]
fn a_dialog_is_one_question_for_the_password() {
    for question in [&b"\x02Your name: "[..], b"\x03Your name: ", b"\x07Your name: ", b"\0Your name: "] {
        let error = greeted(Verified, false).auth_switch(b"dialog", question).unwrap_err();
        assert_eq!(error, AuthError::Question("Your name:".to_owned()));
    }
    let (_, pending) = sent(greeted(Verified, false).auth_switch(b"dialog", b"\x04Password: "));
    for second in [&b"\x04Your code: "[..], b"\x02Your code: ", b"\x09Your code: "] {
        let error = pending.more_data(second).unwrap_err();
        assert_eq!(error, AuthError::Question("Your code:".to_owned()));
        assert!(error.to_string().contains("\"Your code:\""), "{error}");
    }
}

#[test]
fn a_question_in_a_log_is_short_and_one_line() {
    let long = [b"\x02one\r\n\x1b[31mtwo\xff".as_slice(), &[b'x'; 9000]].concat();
    let question = dialog::Question::parse(&long).unwrap();
    assert!(!question.is_password);
    assert!(question.text.starts_with("one[31mtwo\u{fffd}xxx"), "{question:?}");
    assert_eq!(question.text.chars().count(), 80);
    assert!(!question.text.contains(char::is_control));
}

#[test]
fn an_account_with_several_plugins_is_asked_for_one_after_the_other() {
    // IDENTIFIED VIA ed25519 OR mysql_native_password OR parsec: MariaDB switches on where an answer was wrong.
    let (_, pending) = sent(greeted(Open, false).auth_switch(b"client_ed25519", &CHALLENGE));
    let (answer, pending) = sent(pending.auth_switch(b"mysql_native_password", &NONCE));
    assert_eq!(answer, Plugin::NativePassword.scramble(b"secret", &NONCE));
    let (answer, pending) = sent(pending.auth_switch(b"parsec", &CHALLENGE));
    assert_eq!(answer, b"");
    assert_eq!(pending.plugin(), AccountPlugin::Parsec);
}

#[test]
fn clients_may_begin_with_these_plugins_and_are_asked_to_switch() {
    for name in ["sha256_password", "mysql_clear_password", "dialog"] {
        for greeted in [Plugin::NativePassword, Plugin::CachingSha2] {
            let exchange = ServerExchange::new(greeted, NONCE, ExpectedPacket::Password(b"secret"));
            for first in [&b""[..], b"\0", b"secret\0", &ed25519::sign(b"secret", &NONCE)] {
                let AuthStep::AuthSwitch(switched) = exchange.respond(Some(name.as_bytes()), first) else {
                    panic!("{name} was believed")
                };
                assert_eq!(switched.plugin(), greeted);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_data_are_answered_or_refused(
        name in proptest::sample::select(vec![
            "client_ed25519", "parsec", "sha256_password", "mysql_clear_password", "dialog",
        ]),
        channel in proptest::sample::select(CHANNELS.to_vec()),
        switch: Vec<u8>,
        more: Vec<u8>,
        only_verified: bool,
    ) {
        let step = greeted(channel, only_verified).auth_switch(name.as_bytes(), &switch);
        let answer = step.as_ref().ok().and_then(ClientStep::packet).unwrap_or_default().to_vec();
        if !matches!(channel, Verified | Local) && (only_verified || name != "sha256_password") {
            prop_assert!(!answer.windows(6).any(|part| part == b"secret"));
        }
        if let Ok(ClientStep::Send(_, pending) | ClientStep::RequestPublicKey(pending)) = step {
            let _ = pending.more_data(&more);
        }
    }

    #[test]
    fn any_question_is_read_or_refused(packet: Vec<u8>) {
        if let Ok(question) = dialog::Question::parse(&packet) {
            prop_assert!(packet.first().is_none_or(|kind| (2..=5).contains(kind)));
            prop_assert!(question.text.chars().count() <= 80);
        }
    }
}
