//! The exchange with a client, from its first answer to the verdict.

use super::*;

const BOTH: [Plugin; 2] = [Plugin::NativePassword, Plugin::CachingSha2];

/// Returns the course of an exchange as one line.
fn dialogue(mut step: AuthStep<'_>, second: &[u8]) -> String {
    let mut said = String::new();
    for _ in 0..4 {
        said += &format!("{step:?} ");
        step = match step {
            AuthStep::AuthSwitch(switched) => switched.respond(second),
            AuthStep::MoreData { then, .. } => then.finish(),
            AuthStep::Sign(..)
            | AuthStep::AskPassword(_)
            | AuthStep::Check(_)
            | AuthStep::Accept(_)
            | AuthStep::Reject
            | AuthStep::NotSupported => {
                return said.trim_end().to_owned();
            }
        };
    }
    panic!("the exchange does not end: {said}");
}

fn exchange(greeted: Plugin, password: Option<&str>) -> ServerExchange<'_> {
    ServerExchange::new(
        greeted,
        NONCE,
        password.map_or(ExpectedPacket::Nobody, |p| ExpectedPacket::Password(p.as_bytes())),
    )
}

#[test]
fn either_plugin_passes_without_a_switch_whatever_was_greeted() {
    for greeted in BOTH {
        for plugin in BOTH {
            let answer = plugin.scramble(b"secret", &NONCE);
            let step = exchange(greeted, Some("secret")).respond(Some(plugin.name().as_bytes()), &answer);
            let expected = match plugin {
                Plugin::NativePassword => "Accept",
                Plugin::CachingSha2 => "MoreData([3]) Accept",
            };
            assert_eq!(dialogue(step, b""), expected);
        }
    }
}

#[test]
fn wrong_passwords_and_unknown_users_look_alike() {
    for greeted in BOTH {
        for plugin in BOTH {
            let name = Some(plugin.name().as_bytes());
            for answer in [
                plugin.scramble(b"guess", &NONCE),
                plugin.scramble(Plugin::name(greeted).as_bytes(), &NONCE),
                vec![0],
                vec![7; 300],
            ] {
                let known = dialogue(exchange(greeted, Some("secret")).respond(name, &answer), b"");
                let unknown = dialogue(exchange(greeted, None).respond(name, &answer), b"");
                assert_eq!(known, "Reject");
                assert_eq!(unknown, "Reject");
            }
        }
    }
}

#[test]
fn nobody_logs_in_as_nobody() {
    for plugin in BOTH {
        for guess in [&b"no such user"[..], b""] {
            let answer = plugin.scramble(guess, &NONCE);
            let step = exchange(plugin, None).respond(Some(plugin.name().as_bytes()), &answer);
            assert!(dialogue(step, &answer).ends_with("Reject"), "{plugin:?}");
        }
    }
}

#[test]
fn other_plugins_are_asked_once_to_take_the_greeted_one() {
    for greeted in BOTH {
        for name in [&b"sha256_password"[..], b"ed25519", b"", b"MYSQL_NATIVE_PASSWORD", b"\xff\0"] {
            let good = greeted.scramble(b"secret", &NONCE);
            let step = exchange(greeted, Some("secret")).respond(Some(name), b"whatever");
            let AuthStep::AuthSwitch(switched) = step else { panic!("{step:?}") };
            assert_eq!((switched.plugin(), switched.nonce()), (greeted, &NONCE));
            assert!(dialogue(switched.respond(&good), b"").ends_with("Accept"));
            let step = exchange(greeted, Some("secret")).respond(Some(name), b"whatever");
            assert_eq!(dialogue(step, b"wrong"), format!("AuthSwitch({}) Reject", greeted.name()));
        }
    }
}

#[test]
fn an_empty_first_answer_gets_a_switch_to_the_clients_own_plugin() {
    // What libmysqlclient does if the greeting was for another plugin than the client's.
    for greeted in BOTH {
        for plugin in BOTH {
            for (password, second, end) in [
                (Some("secret"), "secret", "Accept"),
                (Some(""), "", "Accept"),
                (Some("secret"), "", "Reject"),
                (None, "", "Reject"),
                (Some(""), "x", "Reject"),
            ] {
                let step = exchange(greeted, password).respond(Some(plugin.name().as_bytes()), b"");
                let said = dialogue(step, &plugin.scramble(second.as_bytes(), &NONCE));
                assert!(said.starts_with(&format!("AuthSwitch({})", plugin.name())), "{said}");
                assert!(said.ends_with(end), "{said} for {password:?}, {second:?}");
                assert_eq!(
                    said.contains("MoreData"),
                    end == "Accept" && second == "secret" && plugin == Plugin::CachingSha2
                );
            }
        }
    }
}

#[test]
fn a_single_nul_means_no_password() {
    let name = Some(&b"caching_sha2_password"[..]);
    assert_eq!(dialogue(exchange(Plugin::CachingSha2, Some("")).respond(name, b"\0"), b""), "Accept");
    assert_eq!(dialogue(exchange(Plugin::CachingSha2, Some("x")).respond(name, b"\0"), b""), "Reject");
}

#[test]
fn clients_without_plugins_speak_native() {
    let good = Plugin::NativePassword.scramble(b"secret", &NONCE);
    assert_eq!(dialogue(exchange(Plugin::CachingSha2, Some("secret")).respond(None, &good), b""), "Accept");
    assert_eq!(dialogue(exchange(Plugin::CachingSha2, Some("")).respond(None, b""), b""), "Accept");
    assert_eq!(dialogue(exchange(Plugin::CachingSha2, Some("secret")).respond(None, b""), b""), "Reject");
    assert_eq!(dialogue(exchange(Plugin::CachingSha2, None).respond(None, &good), b""), "Reject");
}

proptest! {
    #[test]
    fn no_answer_passes_by_chance(name: Vec<u8>, first: Vec<u8>, second: Vec<u8>, known: bool) {
        let step = exchange(Plugin::CachingSha2, known.then_some("secret")).respond(Some(&name), &first);
        prop_assert!(dialogue(step, &second).ends_with("Reject"));
    }
}

/// What the client tells after it was asked for its password.
fn password_sent(step: AuthStep<'_>, packets: &[&[u8]], private: bool) -> Option<Vec<u8>> {
    let AuthStep::AskPassword(mut asking) = step else { panic!("{step:?}") };
    for packet in packets {
        asking = match asking.answer(packet, private) {
            AskedByServer::Password(password) => return Some(password.to_vec()),
            AskedByServer::Malformed => return None,
            AskedByServer::Key(_, next) => next,
        };
    }
    panic!("the exchange does not end")
}

#[test]
fn a_stored_hash_is_enough_for_native_passwords_and_asks_for_them() {
    let stored = native_password::double_sha1(b"secret");
    for greeted in BOTH {
        let exchange = ServerExchange::new(greeted, NONCE, ExpectedPacket::DoubleSha1(&stored));
        for name in ["mysql_native_password", "caching_sha2_password", "client_ed25519"] {
            let answer = Plugin::NativePassword.scramble(b"secret", &NONCE);
            let mut step = exchange.respond(Some(name.as_bytes()), &answer);
            if let AuthStep::AuthSwitch(switched) = step {
                assert_eq!(switched.plugin(), Plugin::NativePassword);
                assert_eq!(
                    format!("{:?}", switched.respond(&Plugin::NativePassword.scramble(b"x", &NONCE))),
                    "Reject"
                );
                step = switched.respond(&answer);
            }
            let AuthStep::Accept(PasswordProof::Sha1(single)) = step else { panic!("{step:?}") };
            assert_eq!(*single, native_password::sha1(b"secret"));
        }
        assert_eq!(
            format!("{:?}", exchange.respond(None, &Plugin::NativePassword.scramble(b"x", &NONCE))),
            "Reject"
        );
    }
}

#[test]
fn who_is_in_no_cache_tells_the_password() {
    let name = Some(&b"caching_sha2_password"[..]);
    let answer = Plugin::CachingSha2.scramble(b"secret", &NONCE);
    let exchange =
        |learned| ServerExchange::new(Plugin::NativePassword, NONCE, ExpectedPacket::AskServer(learned));
    let step = exchange(None).respond(Some(b"mysql_native_password"), b"x");
    assert_eq!(format!("{step:?}"), "AuthSwitch(caching_sha2_password)");
    assert_eq!(
        password_sent(exchange(None).respond(name, &answer), &[b"secret\0"], true),
        Some(b"secret".to_vec())
    );
    assert_eq!(password_sent(exchange(None).respond(name, &answer), &[b"secret"], true), None);

    let key = OwnKey::of_process().unwrap();
    let cipher = caching_sha2::encrypt_password(b"secret", &NONCE, key.public()).unwrap();
    assert_eq!(
        password_sent(exchange(None).respond(name, &answer), &[&[2], &cipher], false),
        Some(b"secret".to_vec())
    );
    assert_eq!(
        password_sent(exchange(None).respond(name, &answer), &[&cipher], false),
        Some(b"secret".to_vec())
    );
    for wrong in [&b"secret\0"[..], b"", &[7; 256], &cipher[1..]] {
        assert_eq!(password_sent(exchange(None).respond(name, &answer), &[wrong], false), None);
        assert_eq!(password_sent(exchange(None).respond(name, &answer), &[&[2], wrong], false), None);
    }
    assert_eq!(
        password_sent(exchange(None).respond(name, &answer), &[&[2], &[2]], false),
        None,
        "the key is sent once"
    );

    assert_eq!(dialogue(exchange(Some(b"secret")).respond(name, &answer), b""), "MoreData([3]) Accept");
    assert_eq!(dialogue(exchange(Some(b"former")).respond(name, &answer), b""), "AskPassword");
    assert_eq!(dialogue(exchange(None).respond(name, b"\0"), b""), "Check");
}

#[test]
fn a_client_may_begin_with_its_password_in_private_only() {
    let name = Some(&b"mysql_clear_password"[..]);
    let stored = native_password::double_sha1(b"secret");
    for (expected, right, wrong) in [
        (ExpectedPacket::Password(b"secret"), "Accept", "Reject"),
        (ExpectedPacket::DoubleSha1(&stored), "Accept", "Reject"),
        (ExpectedPacket::AskServer(None), "Check", "Check"),
        (ExpectedPacket::Nobody, "Reject", "Reject"),
    ] {
        let exchange = ServerExchange::new(Plugin::CachingSha2, NONCE, expected);
        let open = exchange.respond(name, b"secret\0");
        assert!(matches!(open, AuthStep::AuthSwitch(_)), "{open:?}");
        let private = exchange.in_private(true);
        assert_eq!(dialogue(private.respond(name, b"secret\0"), b""), right);
        assert_eq!(dialogue(private.respond(name, b"Secret\0"), b""), wrong);
    }
}

proptest! {
    #[test]
    fn nothing_but_the_password_is_told(packet: Vec<u8>, private: bool) {
        let step = ServerExchange::new(Plugin::CachingSha2, NONCE, ExpectedPacket::AskServer(None))
            .respond(Some(b"caching_sha2_password"), &[7; 32]);
        let AuthStep::AskPassword(asking) = step else { panic!("{step:?}") };
        match asking.answer(&packet, private) {
            AskedByServer::Password(password) => prop_assert!(private && packet[..password.len()] == **password),
            AskedByServer::Key(..) => prop_assert!(!private && packet == [2]),
            AskedByServer::Malformed => {}
        }
    }
}

#[test]
fn a_client_that_needs_no_password_gets_what_its_plugin_expects() {
    let exchange = ServerExchange::new(Plugin::NativePassword, NONCE, ExpectedPacket::Anything);
    let course = |plugin, first: &[u8], second: &[u8]| dialogue(exchange.respond(plugin, first), second);
    let (native, caching) = (Some(&b"mysql_native_password"[..]), Some(&b"caching_sha2_password"[..]));
    assert_eq!(course(None, b"", b""), "Accept");
    assert_eq!(course(native, b"guess", b""), "Accept");
    assert_eq!(course(native, b"", b""), "AuthSwitch(mysql_native_password) Accept");
    assert_eq!(course(caching, b"guess", b""), "MoreData([3]) Accept");
    assert_eq!(course(caching, b"", b"\0"), "AuthSwitch(caching_sha2_password) Accept");
    assert_eq!(course(Some(b"dialog"), b"guess", b"guess"), "AuthSwitch(mysql_native_password) Accept");
    let private = exchange.in_private(true).respond(Some(b"mysql_clear_password"), b"guess\0");
    assert_eq!(dialogue(private, b""), "Accept");
}

#[test]
fn a_client_that_begins_with_a_signing_plugin_signs_if_the_password_is_known() {
    for name in ["client_ed25519", "parsec"] {
        let begun = |expected| {
            let exchange = ServerExchange::new(Plugin::CachingSha2, NONCE, expected).asking(true);
            let course = |exchange: ServerExchange<'_>| match exchange.respond(Some(name.as_bytes()), b"") {
                AuthStep::AuthSwitch(switched) => switched.plugin().name(),
                AuthStep::Sign(plugin, Some(b"secret")) if plugin.name() == name => "signs",
                AuthStep::Sign(plugin, None) if plugin.name() == name => "signs for nobody",
                step => panic!("{step:?}"),
            };
            (course(exchange), course(exchange.without_native()))
        };
        let (caching, stored) = ("caching_sha2_password", native_password::double_sha1(b"secret"));
        assert_eq!(begun(ExpectedPacket::Password(b"secret")), ("signs", caching));
        assert_eq!(begun(ExpectedPacket::Nobody), ("signs for nobody", caching));
        assert_eq!(begun(ExpectedPacket::Password(b"")), (caching, caching));
        assert_eq!(begun(ExpectedPacket::DoubleSha1(&stored)), ("mysql_native_password", caching));
        // Whether a password was learned must not show.
        assert_eq!(begun(ExpectedPacket::AskServer(None)), (caching, caching));
        assert_eq!(begun(ExpectedPacket::AskServer(Some(b"secret"))), (caching, caching));
    }
}
