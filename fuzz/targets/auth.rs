//! A peer's packets in both exchanges: nobody logs in by chance, and every exchange ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::auth::{
    AskedByServer, AuthStep, BothLegs, Channel, ClientExchange, ClientStep, ExpectedPacket, FromServer,
    Known, PassedLogin, Plugin, ServerExchange, SignatureExchange, SignaturePlugin, SignatureStep,
    caching_sha2, dialog, native_password, parsec, public_key_der,
};

const NONCE: [u8; 20] = *b"abcdefghijklmnopqrst";

fuzz_target!(|input: (bool, bool, Option<&[u8]>, &[u8], &[u8])| {
    let (native, flag, plugin, first, second) = input;
    let greeted = if native { Plugin::NativePassword } else { Plugin::CachingSha2 };
    let stored = native_password::double_sha1(b"secret");
    let known = [
        ExpectedPacket::Nobody,
        ExpectedPacket::Password(b"secret"),
        ExpectedPacket::DoubleSha1(&stored),
        ExpectedPacket::AskServer(None),
        ExpectedPacket::AskServer(Some(b"secret")),
    ];
    for expected in known {
        let exchange = ServerExchange::new(greeted, NONCE, expected).in_private(flag).asking(native);
        towards_a_client(exchange, plugin, first, second, flag);
        towards_a_client(exchange.without_native(), plugin, first, second, flag);
    }
    for channel in [Channel::Open, Channel::Encrypted, Channel::Verified, Channel::Local] {
        for known in [Known::Password(b"secret"), Known::Sha1(&stored)] {
            let login = ClientExchange::new(known, channel).only_verified(native);
            towards_a_server(login, plugin.unwrap_or_default(), first, second);
        }
    }
    for plugin in [SignaturePlugin::Ed25519, SignaturePlugin::Parsec] {
        signed_by_a_client(SignatureExchange::new(plugin, flag.then_some(b"secret")).unwrap(), first, second);
    }
    for packet in [first, second] {
        if let Ok(salt) = parsec::ExtSalt::parse(packet) {
            assert_eq!(salt.encode(), packet);
        }
        if let Ok(question) = dialog::Question::parse(packet) {
            assert!(question.text.chars().count() <= 80 && !question.text.contains(char::is_control));
        }
    }
    for server in [Channel::Open, Channel::Encrypted, Channel::Verified, Channel::Local] {
        let legs = BothLegs { client_tls: native, client_private: native || flag, server };
        passed_through(PassedLogin::begin(legs, flag), legs, first, second);
    }
    let _ = public_key_der(first);
    let _ = caching_sha2::encrypt_password(b"secret", &NONCE, second);
});

fn towards_a_client(
    exchange: ServerExchange<'_>,
    plugin: Option<&[u8]>,
    first: &[u8],
    second: &[u8],
    private: bool,
) {
    let told = [first, second].iter().any(|packet| packet.starts_with(b"secret"));
    let step = match exchange.respond(plugin, first) {
        AuthStep::AuthSwitch(switched) => switched.respond(second),
        step => step,
    };
    match step {
        // A password that the client tells is for a server to check.
        AuthStep::Check(password) => assert!(password.is_empty() || first.starts_with(&password)),
        AuthStep::AskPassword(asking) => match asking.answer(second, private) {
            AskedByServer::Password(password) => assert!(private && second.starts_with(&password)),
            AskedByServer::Key(..) => assert!(!private && second == [2]),
            AskedByServer::Malformed => {}
        },
        AuthStep::Sign(plugin, password) => {
            signed_by_a_client(SignatureExchange::new(plugin, password).unwrap(), first, second);
        }
        step => assert!(
            told || matches!(step, AuthStep::Reject | AuthStep::NotSupported),
            "{step:?} without the password"
        ),
    }
}

/// A password in clear text goes only from a private client to a server that may read it, and nobody is let in without an
/// answer of the client.
fn passed_through(mut login: PassedLogin, legs: BothLegs, first: &[u8], second: &[u8]) {
    for packet in [first, second] {
        let answered = login.answered();
        match login.from_server(packet) {
            Ok(FromServer::LetIn) => assert!(answered),
            Ok(FromServer::Pass) => {
                let asks =
                    packet.get(1..).is_some_and(|request| request.starts_with(b"mysql_clear_password\0"));
                if asks && packet.first() == Some(&0xfe) {
                    assert!(legs.client_private && matches!(legs.server, Channel::Verified | Channel::Local));
                }
                login.from_client().unwrap();
            }
            Ok(FromServer::Refused) | Err(_) => {}
        }
    }
}

fn signed_by_a_client(exchange: SignatureExchange<'_>, first: &[u8], second: &[u8]) {
    let step = match exchange.respond(first).unwrap() {
        SignatureStep::ExtSalt(_, next) => next.respond(second).unwrap(),
        step => step,
    };
    assert!(matches!(step, SignatureStep::Reject), "{step:?} without the password");
}

fn towards_a_server(exchange: ClientExchange<'_>, plugin: &[u8], first: &[u8], second: &[u8]) {
    let (_, mut pending) = exchange.greeted(plugin, NONCE);
    // A server that goes on for ever is cut off.
    for round in 0.. {
        assert!(round < 20, "the exchange does not end");
        let packet = if round % 2 == 0 { first } else { second };
        let step = match packet.split_first() {
            Some((0xfe, rest)) => {
                let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
                pending.auth_switch(&rest[..end], rest.get(end + 1..).unwrap_or_default())
            }
            _ => pending.more_data(packet),
        };
        pending = match step {
            Ok(ClientStep::Send(_, next) | ClientStep::RequestPublicKey(next)) => next,
            Ok(ClientStep::WaitForVerdict(next)) => next,
            Err(_) => return,
        };
    }
}
