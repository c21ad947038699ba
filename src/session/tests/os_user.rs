//! Clients on unix sockets whose user in the operating system needs no password.

use std::sync::Arc;

use super::*;
use crate::auth::native_password;
use crate::backend::accounts::{AccountReading, AccountRows, Accounts};
use crate::config::CredentialSource;
use crate::net::Peer as Address;
use crate::topology::Flavor;
use crate::worker::admission::Admission;

/// A world with the configured user `app`, and the servers' accounts behind it.
fn world(change: fn(&mut crate::config::Live)) -> World {
    let world = World::with(Settings { flavor: Flavor::MariaDb, change, ..Settings::default() });
    let mut live = (*world.context.live()).clone();
    live.credentials.sources =
        vec![CredentialSource::Configuration, CredentialSource::Accounts, CredentialSource::Learned];
    world.context.new_settings(Arc::new(live));
    world
}

/// The server, which sees the proxy at this host, has an account `db` of everywhere.
fn read(world: &World, own_host: &str, account: &str) {
    let row =
        |values: &[&str]| values.iter().map(|value| Some(value.as_bytes().to_vec())).collect::<Vec<_>>();
    let (rows, own) = ([row(&["%", "db", account])], [row(&[&format!("monitor@{own_host}")])]);
    let table = AccountRows::read(Flavor::MariaDb, &rows, &own).unwrap();
    let accounts = Arc::new(Accounts::Known(table));
    let mut reading = AccountReading { accounts, begun: Arc::new(1.into()), ..Default::default() };
    reading.end();
    world.context.identities.replace(reading);
}

/// `unix_socket OR mysql_native_password`, the password is `secret`.
fn either() -> String {
    let double = native_password::double_sha1(b"secret");
    let digits: String = double.iter().map(|byte| format!("{byte:02X}")).collect();
    format!(
        r#"{{"plugin":"mysql_native_password","authentication_string":"*{digits}","auth_or":[{{"plugin":"unix_socket"}},{{}}]}}"#
    )
}

async fn attempt(world: &World, os_user: &str, login: &Login) -> Result<Client, Refused> {
    Client::log_in(world.socket_of(Some(os_user), login), login).await
}

fn login(user: &'static str, password: &'static str) -> Login {
    Login { user, password, ..Login::default() }
}

#[test]
fn a_configured_user_needs_no_password_whatever_the_client_answers() {
    play(async {
        let world = world(|live| live.users.get_mut("app").unwrap().unix_user = Some("alice".into()));
        for plugin in ["mysql_native_password", "caching_sha2_password", "dialog"] {
            for password in ["", "wrong", "secret"] {
                let login = Login { plugin, ..login("app", password) };
                let client = attempt(&world, "alice", &login).await.unwrap();
                assert_eq!(client.fast, plugin == "caching_sha2_password" && !password.is_empty());
                let refused = attempt(&world, "bob", &login).await.err();
                assert_eq!(refused.map(|refused| refused.code), (password != "secret").then_some(1045));
                let refused = world.attempt(&login).await.err();
                assert_eq!(refused.map(|refused| refused.code), (password != "secret").then_some(1045));
            }
        }
        let refused = attempt(&world, "alice", &login("other", "")).await.err().unwrap();
        assert_eq!(refused.code, 1045, "the user is for one account");
    });
}

#[test]
fn com_change_user_looks_at_the_user_again() {
    play(async {
        let world = world(|live| live.users.get_mut("app").unwrap().unix_user = Some("alice".into()));
        let mut client = attempt(&world, "alice", &login("other", "secret")).await.unwrap();
        client.change_user(&login("app", "")).await.unwrap();
        let mut client = attempt(&world, "bob", &login("other", "secret")).await.unwrap();
        assert_eq!(client.change_user(&login("app", "")).await.unwrap_err().code, 1045);
    });
}

#[test]
fn a_client_behind_a_load_balancer_is_not_the_balancers_user() {
    play(async {
        let world = world(|live| live.users.get_mut("app").unwrap().unix_user = Some("haproxy".into()));
        let admission = Arc::<Admission>::default();
        let login = login("app", "");
        let pass = admission.enter_behind_balancer(Address::Unix);
        let mut peer = world.session_of(Some("haproxy"), origins::behind_balancers(), pass);
        // The balancer's own connection, of which it says nothing.
        peer.say(b"PROXY UNKNOWN\r\n");
        assert_eq!(Client::log_in(peer, &login).await.err().unwrap().code, 1045);
    });
}

#[test]
fn an_account_with_a_password_needs_none_once_it_is_known() {
    play(async {
        let world = world(|_| ());
        read(&world, "localhost", &either());
        let empty = login("db", "");
        let refused = attempt(&world, "db", &empty).await.err().unwrap();
        assert_eq!((refused.code, refused.text.contains("pointsman")), (1045, false));
        attempt(&world, "bob", &login("db", "secret")).await.unwrap();
        attempt(&world, "db", &empty).await.unwrap();
        assert_eq!(attempt(&world, "bob", &empty).await.err().unwrap().code, 1045);
        assert_eq!(world.attempt(&empty).await.err().unwrap().code, 1045);

        // The same name on the server's machine is perhaps another person.
        read(&world, "10.0.0.9", &either());
        assert_eq!(attempt(&world, "db", &empty).await.err().unwrap().code, 1045);
        // Another password is not known yet.
        read(&world, "127.0.0.1", &either().replace(['A', 'B', 'C'], "0"));
        assert_eq!(attempt(&world, "db", &empty).await.err().unwrap().code, 1045);
        read(&world, "127.0.0.1", &either());
        attempt(&world, "db", &empty).await.unwrap();
    });
}

#[test]
fn a_configured_password_lets_the_accounts_user_in() {
    play(async {
        let world = world(|live| {
            let app = live.users.remove("app").unwrap();
            live.users.insert("db".into(), crate::config::User { name: "db".into(), ..app });
        });
        let named = |name| format!(r#"{{"plugin":"unix_socket","authentication_string":"{name}"}}"#);
        for (account, os_user, code) in [
            (either(), "db", 0),
            (either(), "bob", 1045),
            (named("bob"), "bob", 0),
            (named("bob"), "db", 1045),
        ] {
            read(&world, "localhost", &account);
            let refused = attempt(&world, os_user, &login("db", "")).await.err();
            assert_eq!(refused.map_or(0, |refused| refused.code), code, "{account} {os_user}");
        }
    });
}

#[test]
fn only_the_right_user_is_told_that_an_account_has_no_password() {
    play(async {
        let world = world(|_| ());
        read(&world, "localhost", r#"{"plugin":"unix_socket"}"#);
        for password in ["", "x"] {
            let refused = attempt(&world, "db", &login("db", password)).await.err().unwrap();
            assert_eq!(refused.code, 1698);
            assert!(refused.text.contains("unix_user = \"db\""), "{}", refused.text);
            for os_user in [Some("root"), None] {
                let login = login("db", password);
                let refused = Client::log_in(world.socket_of(os_user, &login), &login).await.err().unwrap();
                let using = if password.is_empty() { "NO" } else { "YES" };
                let text = format!("Access denied for user 'db'@'localhost' (using password: {using})");
                assert_eq!((refused.code, refused.text), (1045, text));
            }
        }
    });
}
