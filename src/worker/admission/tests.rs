use super::*;

fn limits() -> Limits {
    Limits { max_login_errors: 10, block_time: Duration::from_secs(10), ..Limits::default() }
}

fn peer(address: &str) -> Peer {
    Peer::from(std::net::SocketAddr::new(address.parse().unwrap(), 5))
}

fn app() -> Arc<str> {
    "app".into()
}

/// Fails to log in `times` times with a name, and returns how many of the tries were not blocked.
fn fail(admission: &Arc<Admission>, from: &str, user: &str, times: usize) -> usize {
    let mut failed = 0;
    for _ in 0..times {
        let Ok(pass) = admission.enter(peer(from), &limits()) else { continue };
        if !pass.is_blocked(user.as_bytes()) {
            pass.failed(Fault::Password(user.as_bytes()), &limits());
            failed += 1;
        }
    }
    failed
}

fn logs_in(admission: &Arc<Admission>, from: &str, user: &Arc<str>) -> Option<Pass> {
    let mut pass = admission.enter(peer(from), &limits()).ok()?;
    let free = !pass.is_blocked(user.as_bytes()) && pass.log_in(user, &limits()).is_ok();
    free.then_some(pass)
}

#[tokio::test(start_paused = true)]
async fn a_name_that_fails_is_blocked_alone_and_not_for_long() {
    let admission = Arc::new(Admission::default());
    assert_eq!(fail(&admission, "10.0.0.1", "report", 1000), 10);
    assert!(logs_in(&admission, "10.0.0.1", &"report".into()).is_none());
    assert!(logs_in(&admission, "10.0.0.2", &"report".into()).is_some(), "from elsewhere it may");
    assert!(logs_in(&admission, "10.0.0.1", &app()).is_some(), "and others from there");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(logs_in(&admission, "10.0.0.1", &"report".into()).is_some());
}

#[tokio::test(start_paused = true)]
async fn an_account_with_a_new_password_is_not_blocked_for_its_former_one() {
    let admission = Arc::new(Admission::default());
    fail(&admission, "10.0.0.1", "report", 10);
    fail(&admission, "10.0.0.1", "other", 10);
    admission.forgive(&["report".into()]);
    assert!(logs_in(&admission, "10.0.0.1", &"report".into()).is_some());
    assert!(logs_in(&admission, "10.0.0.1", &"other".into()).is_none());
}

#[tokio::test(start_paused = true)]
async fn guesses_are_as_many_as_the_limit_says_a_minute() {
    let admission = Arc::new(Admission::default());
    let mut guesses = 0;
    for _ in 0..600 {
        guesses += fail(&admission, "10.0.0.1", "app", 5);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    // Ten minutes at ten a minute, plus what came before the first block and what each block rounds up.
    assert!((100..=135).contains(&guesses), "{guesses}");
}

#[tokio::test(start_paused = true)]
async fn many_names_and_broken_handshakes_block_the_address() {
    for broken in [true, false] {
        let admission = Arc::new(Admission::default());
        let mut refused = 0;
        for at in 0..100 {
            match admission.enter(peer("10.0.0.1"), &limits()) {
                Ok(pass) if broken => pass.failed(Fault::Handshake, &limits()),
                Ok(pass) => pass.failed(Fault::Password(format!("user {at}").as_bytes()), &limits()),
                Err(why) => {
                    assert_eq!(why, Refused::Blocked);
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 90);
        assert!(admission.enter(peer("10.0.0.2"), &limits()).is_ok());
        assert!(admission.enter(Peer::Unix, &limits()).is_ok(), "a unix socket has no address");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(logs_in(&admission, "10.0.0.1", &app()).is_some());
        // A login that succeeds does not empty the bucket, but time does.
        for most in [2, 10] {
            let again = (0..100).filter(|_| {
                let pass = admission.enter(peer("10.0.0.1"), &limits());
                pass.map(|pass| pass.failed(Fault::Handshake, &limits())).is_ok()
            });
            assert_eq!(again.count(), most);
            tokio::time::advance(Duration::from_secs(60)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_a_session_comes_in_again_from_a_blocked_address() {
    let admission = Arc::new(Admission::default());
    let session = logs_in(&admission, "10.0.0.1", &app()).unwrap();
    for _ in 0..100 {
        let pass = admission.enter(peer("10.0.0.1"), &limits()).expect("somebody has a session there");
        pass.failed(Fault::Handshake, &limits());
    }
    assert!(logs_in(&admission, "10.0.0.1", &"another".into()).is_none());
    let second = logs_in(&admission, "10.0.0.1", &app()).expect("app has a session");
    drop((session, second));
    for _ in 0..10 {
        if let Ok(pass) = admission.enter(peer("10.0.0.1"), &limits()) {
            pass.failed(Fault::Handshake, &limits());
        }
    }
    assert_eq!(admission.enter(peer("10.0.0.1"), &limits()).err(), Some(Refused::Blocked));
}

/// A client that logs in and fails again and again takes one place among those whose failures are remembered: another's
/// block does not end earlier.
#[tokio::test(start_paused = true)]
async fn who_fails_and_logs_in_by_turns_ends_no_other_block() {
    let admission = Arc::new(Admission::default());
    fail(&admission, "10.0.0.1", "report", 10);
    for _ in 0..MOST_FAILING {
        fail(&admission, "10.0.0.2", "app", 1);
        drop(logs_in(&admission, "10.0.0.2", &app()));
    }
    assert!(logs_in(&admission, "10.0.0.1", &"report".into()).is_none());
}

/// A client with an account of its own guesses others: its valid logins clear nothing, and names that failed long ago count
/// again.
#[tokio::test(start_paused = true)]
async fn valid_logins_buy_no_guesses() {
    let admission = Arc::new(Admission::default());
    let mut guesses = 0;
    for at in 0..6_000 {
        drop(logs_in(&admission, "10.0.0.1", &app()));
        guesses += fail(&admission, "10.0.0.1", &format!("user {}", at % 60), 1);
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    // Ten minutes, as in `guesses_are_as_many_as_the_limit_says_a_minute`.
    assert!((60..=200).contains(&guesses), "{guesses}");
}

#[test]
fn connections_of_an_address_and_sessions_of_a_user_are_limited() {
    let admission = Arc::new(Admission::default());
    let limits = Limits { max_connections_per_address: 2, max_user_connections: 2, ..limits() };
    let network = ["2001:db8::1", "2001:db8::2", "2001:db8::3"];
    let held: Vec<_> = network.iter().map(|from| admission.enter(peer(from), &limits)).collect();
    assert_eq!(held[2].as_ref().err(), Some(&Refused::AddressConnections), "a /64 is one address");
    let unix: Vec<_> = (0..5).map(|_| admission.enter(Peer::Unix, &limits).unwrap()).collect();
    drop(held);
    assert!(admission.enter(peer(network[0]), &limits).is_ok());
    let mut unix = unix.into_iter();
    let (mut one, mut two, mut three) = (unix.next().unwrap(), unix.next().unwrap(), unix.next().unwrap());
    assert_eq!(one.log_in(&app(), &limits), Ok(()));
    assert_eq!(one.log_in(&app(), &limits), Ok(()), "COM_CHANGE_USER to the same user is one session");
    assert_eq!(two.log_in(&app(), &limits), Ok(()));
    assert_eq!(three.log_in(&app(), &limits), Err(Refused::UserConnections));
    assert_eq!(three.log_in(&"other".into(), &limits), Ok(()));
    drop((one, three));
    assert_eq!(two.log_in(&app(), &limits), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_and_given_back() {
    let admission = Arc::new(Admission::default());
    for at in 0..3 * MOST_FAILING {
        let from = Peer::from(std::net::SocketAddr::new(
            std::net::Ipv6Addr::from(u128::try_from(at).unwrap() << 64).into(),
            5,
        ));
        let pass = admission.enter(from, &limits()).unwrap();
        pass.failed(Fault::Password(at.to_string().as_bytes()), &limits());
    }
    let table = admission.table.borrow();
    assert!(table.addresses.len() + table.pairs.len() <= MOST_FAILING, "{}", table.addresses.len());
    assert_eq!(table.failing.len(), MOST_FAILING);
    drop(table);
    let admission = Arc::new(Admission::default());
    for _ in 0..1000 {
        drop(logs_in(&admission, "10.0.0.1", &app()).unwrap());
    }
    let table = admission.table.borrow();
    assert!(table.addresses.is_empty() && table.pairs.is_empty() && table.users.is_empty());
}

#[tokio::test(start_paused = true)]
async fn behind_a_load_balancer_the_address_in_the_header_counts() {
    let admission = Arc::new(Admission::default());
    let limits = Limits { max_connections_per_address: 1, ..limits() };
    let behind = |client: &str| {
        let mut pass = admission.enter_behind_balancer(peer("10.9.0.1"));
        assert!(pass.awaits_header() && pass.peer() == peer("10.9.0.1"));
        pass.failed(Fault::Handshake, &limits);
        pass.read_header(peer(client), &limits).map(|()| pass)
    };
    let first = behind("198.51.100.7").unwrap();
    assert!(!first.awaits_header() && first.peer() == peer("198.51.100.7"));
    assert_eq!(behind("198.51.100.7").err(), Some(Refused::AddressConnections));
    let _second = behind("198.51.100.8").unwrap();
    drop(first);
    for _ in 0..10 {
        behind("198.51.100.7").unwrap().failed(Fault::Handshake, &limits);
    }
    assert_eq!(behind("198.51.100.7").err(), Some(Refused::Blocked));
    assert!(admission.enter(peer("10.9.0.1"), &limits).is_ok(), "the balancer itself is not blocked");
}
