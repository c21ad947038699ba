//! A peer's packets in both exchanges: nobody logs in by chance, and every exchange ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::auth::{
    Channel, ClientExchange, ClientStep, Plugin, ServerExchange, SignatureExchange, SignaturePlugin,
    SignatureStep, Step, caching_sha2, dialog, parsec, public_key_der,
};

const NONCE: [u8; 20] = *b"abcdefghijklmnopqrst";

fuzz_target!(|input: (bool, bool, Option<&[u8]>, &[u8], &[u8])| {
    let (native, flag, plugin, first, second) = input;
    let greeted = if native { Plugin::NativePassword } else { Plugin::CachingSha2 };
    let exchange = ServerExchange::new(greeted, NONCE, flag.then_some(b"secret"));
    towards_a_client(exchange, plugin, first, second);
    towards_a_client(exchange.without_native(), plugin, first, second);
    for channel in [Channel::Open, Channel::Encrypted, Channel::Verified, Channel::Local] {
        let login = ClientExchange::new(b"secret", channel).only_verified(native);
        towards_a_server(login, plugin.unwrap_or_default(), first, second);
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
    let _ = public_key_der(first);
    let _ = caching_sha2::encrypt_password(b"secret", &NONCE, second);
});

fn towards_a_client(exchange: ServerExchange<'_>, plugin: Option<&[u8]>, first: &[u8], second: &[u8]) {
    let step = match exchange.respond(plugin, first) {
        Step::AuthSwitch(switched) => switched.respond(second),
        step => step,
    };
    assert!(matches!(step, Step::Reject | Step::NotSupported), "{step:?} without the password");
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
